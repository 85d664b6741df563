use super::*;

fn permits(rule: &AddressRule, address: &str) -> bool {
    rule.permits(address.parse().unwrap())
}

#[test]
fn the_strict_rule_refuses_what_leads_to_this_host_or_to_metadata() {
    let rule = AddressRule::strict(Vec::new());
    for address in [
        "127.0.0.1",
        "127.8.9.10",
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "169.254.0.1",
        "169.254.170.2",
        "169.254.170.23",
        "224.0.0.1",
        "255.255.255.255",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "::",
        "::1",
        "fe80::1",
        "ff02::1",
        "fec0::1",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd00:ec2::253",
        "fd20:ce::254",
    ] {
        assert!(!permits(&rule, address), "{address}");
    }
}

#[test]
fn the_strict_rule_looks_inside_addresses_that_carry_another() {
    let rule = AddressRule::strict(Vec::new());
    for address in [
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "::ffff:0:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::127.0.0.1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
    ] {
        assert!(!permits(&rule, address), "{address}");
    }
    assert!(permits(&rule, "64:ff9b::8.8.8.8"));
    assert!(permits(&rule, "::ffff:8.8.8.8"));
    assert!(permits(&rule, "::ffff:0:8.8.8.8"));
}

#[test]
fn public_and_private_addresses_are_fetched_from() {
    let rule = AddressRule::strict(Vec::new());
    for address in [
        "8.8.8.8",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "2606:4700::1",
        "fd12::1",
        "fd00:ec2:0:1::23",
    ] {
        assert!(permits(&rule, address), "{address}");
    }
}

#[test]
fn networks_that_are_named_are_allowed() {
    let rule = AddressRule::strict(vec![
        "127.0.0.0/30".parse().unwrap(),
        "::1/128".parse().unwrap(),
    ]);
    assert!(permits(&rule, "127.0.0.1"));
    assert!(permits(&rule, "::ffff:127.0.0.1"));
    assert!(permits(&rule, "::1"));
    assert!(!permits(&rule, "127.0.0.9"));
}

#[test]
fn a_network_of_mapped_addresses_is_the_one_that_they_are_of() {
    let rule = AddressRule::strict(vec!["::ffff:127.0.0.0/126".parse().unwrap()]);
    assert!(permits(&rule, "127.0.0.1"));
    assert!(permits(&rule, "::ffff:127.0.0.1"));
    assert!(!permits(&rule, "127.0.0.9"));
    // Those of all of IPv6 are not all of IPv4.
    let rule = AddressRule::strict(vec!["::/0".parse().unwrap()]);
    assert!(!permits(&rule, "169.254.169.254"));
}

#[test]
fn development_reaches_loopback_but_no_metadata() {
    let rule = AddressRule::development();
    assert!(permits(&rule, "127.0.0.1"));
    assert!(permits(&rule, "::1"));
    assert!(!permits(&rule, "169.254.169.254"));
    assert!(!permits(&rule, "0.0.0.0"));
}
