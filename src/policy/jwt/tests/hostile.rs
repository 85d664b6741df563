use super::*;

fn passes(authentication: &Authentication) -> bool {
    matches!(authentication, Authentication::Verified { .. })
}

proptest! {
    #[test]
    fn a_changed_token_never_verifies(
        name in prop::sample::select(&["ES256", "EdDSA", "RS256"][..]),
        place in any::<prop::sample::Index>(),
        with in any::<u8>(),
    ) {
        let signer = Signer::new(name, "a");
        let mut bytes = signer.token(&claims()).into_bytes();
        let place = place.index(bytes.len());
        prop_assume!(bytes[place] != with);
        bytes[place] = with;
        let token = String::from_utf8_lossy(&bytes).into_owned();
        let query = format!("access_token={}", token.replace('%', "%25").replace('&', "%26"));
        let authentication = Operation::of(&signer).ask(&[], Some(&query));
        prop_assert!(!passes(&authentication), "{token}");
    }

    #[test]
    fn no_text_makes_the_check_panic(text in ".{0,120}", query in "[ -~]{0,60}") {
        let mut operation = Operation::of(&signer());
        for query in [format!("access_token={text}"), query] {
            let authentication = operation.ask(&[], Some(&query));
            prop_assert!(!passes(&authentication));
        }
    }

    #[test]
    fn no_header_or_payload_makes_the_check_panic(header in ".{0,60}", payload in ".{0,120}") {
        let token = signer().token_of_text(&header, &payload);
        prop_assert!(!passes(&Operation::of(&signer()).bearer(&token)));
    }
}
