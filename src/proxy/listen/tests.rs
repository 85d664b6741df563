use super::*;

#[test]
fn an_address_in_use_is_noticed_with_one_worker_and_with_several() {
    for workers in [1, 3] {
        let free: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let (taken, listeners) = bind(free, workers).expect("a free port");
        assert_eq!(listeners.len(), workers);
        for others in [1, 2] {
            match bind(taken, others) {
                Err(StartError::Bind { address, source }) => {
                    assert_eq!(address, taken);
                    assert_eq!(
                        source.kind(),
                        io::ErrorKind::AddrInUse,
                        "{workers}, {others}"
                    );
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
