use std::os::fd::AsFd;

use socket2::{Domain, Socket, Type};

use super::{encode, sign};
use crate::config::Secret;

#[test]
fn the_kernels_form() {
    let octets = encode("192.0.2.7/32".parse().unwrap(), b"secret").unwrap();
    assert_eq!(octets[..8], [2, 0, 0, 0, 192, 0, 2, 7]);
    assert_eq!(octets[128..136], [0, 0, 6, 0, 0, 0, 0, 0]);
    assert_eq!(octets[136..143], *b"secret\0");
    let octets = encode("2001:db8::/64".parse().unwrap(), &[b'x'; 80]).unwrap();
    assert_eq!(octets[..12], [10, 0, 0, 0, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8]);
    assert_eq!(octets[128..132], [1, 64, 80, 0]);
    assert_eq!(octets[215], b'x');
    assert_eq!(encode("192.0.2.7/32".parse().unwrap(), &[b'x'; 81]), None);
}

#[test]
fn the_kernel_takes_replaces_and_removes_keys() {
    for (domain, networks) in [
        (Domain::IPV4, ["192.0.2.7/32", "192.0.2.0/24"]),
        (Domain::IPV6, ["2001:db8::7/128", "2001:db8::/64"]),
    ] {
        let socket = Socket::new(domain, Type::STREAM, None).unwrap();
        for network in networks {
            let network = network.parse().unwrap();
            for password in [Some("one"), Some("two"), None, None] {
                let password = password.map(|text| Secret(text.into()));
                sign(socket.as_fd(), network, password.as_ref()).unwrap();
            }
        }
    }
}

#[test]
fn passwords_that_cannot_be() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    for (password, error) in [(String::new(), "cannot be empty"), ("x".repeat(81), "80 octets at most")] {
        let outcome = sign(socket.as_fd(), "192.0.2.7/32".parse().unwrap(), Some(&Secret(password.into())));
        assert!(outcome.unwrap_err().to_string().ends_with(error));
    }
}
