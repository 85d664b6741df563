//! The end: one signal lets requests finish, a second one does not.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;

use crate::process::{Dev, PATIENCE, example};

/// A backend that takes requests, tells of each, and never answers.
fn silent() -> (String, std::sync::mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (tell, asked) = channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            if stream.read(&mut [0; 1024]).is_ok() {
                kept.push(stream);
                // The test may be over.
                let _ = tell.send(());
            }
        }
    });
    (address, asked)
}

#[test]
fn a_second_signal_ends_a_process_that_waits_for_its_requests() {
    let (backend, asked) = silent();
    let file = example("echo/endpointsservice.yaml");
    let mut dev = Dev::start(&file, &["--backend", &backend, "--issuers", "embedded"]);
    let address = dev.address();
    let mut client = TcpStream::connect(&address).unwrap();
    let request = b"GET /public HTTP/1.1\r\nHost: a\r\n\r\n";
    client.write_all(request).unwrap();
    asked.recv_timeout(PATIENCE).expect("the backend is asked");

    dev.signal(Signal::TERM);
    let deadline = SystemTime::now() + PATIENCE;
    while TcpStream::connect(&address).is_ok() {
        assert!(SystemTime::now() < deadline, "the port stays open");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(dev.ended(), None, "its request is not over");

    dev.signal(Signal::TERM);
    let status = dev.wait();
    assert_eq!(status.code(), Some(1), "{status}");
}
