use std::os::fd::AsFd;

use socket2::{Domain, Socket as Socket2, Type};

use super::{Socket, encode_add, encode_delete, encode_use, sign_dialled, sign_listening, unsign_listening};
use crate::config::{Secret, TcpAo, TcpAoAlgorithm};

fn key(algorithm: TcpAoAlgorithm, secret: &str) -> TcpAo {
    TcpAo { send_id: 7, receive_id: 9, algorithm, secret: Secret(secret.into()) }
}

/// `linux/tcp.h`: `addr` 128 octets at 0, `alg_name` 64 at 128, `ifindex` 4 at 192, the bits 4 at 196, `reserved2` 2 at
/// 200, then an octet each: `prefix` 202, `sndid` 203, `rcvid` 204, `maclen` 205, `keyflags` 206, `keylen` 207; `key`
/// 80 at 208: 288 in all, a multiple of the 8 that it is aligned to.
#[test]
fn the_kernels_form_of_a_new_key() {
    let sha1 = key(TcpAoAlgorithm::HmacSha1, "secret");
    let octets = encode_add("192.0.2.7/24".parse().unwrap(), &sha1, Socket::Listening).unwrap();
    assert_eq!(octets.len(), 288);
    assert_eq!(octets[..9], [2, 0, 0, 0, 192, 0, 2, 0, 0], "no host bits, no port");
    assert_eq!(octets[128..139], *b"hmac(sha1)\0");
    assert_eq!(octets[192..202], [0; 10], "a listening socket has no current key");
    assert_eq!(octets[202..208], [24, 7, 9, 0, 0, 6]);
    assert_eq!(octets[208..215], *b"secret\0");

    let cmac = key(TcpAoAlgorithm::CmacAes128, &"x".repeat(80));
    let octets = encode_add("2001:db8::7/128".parse().unwrap(), &cmac, Socket::Connection).unwrap();
    assert_eq!(octets[..12], [10, 0, 0, 0, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8]);
    assert_eq!((octets[23], octets[24]), (7, 0));
    assert_eq!(octets[128..141], *b"cmac(aes128)\0");
    if cfg!(target_endian = "little") {
        assert_eq!(octets[196..200], [3, 0, 0, 0], "set_current and set_rnext");
    } else {
        assert_eq!(octets[196..200], [0xc0, 0, 0, 0], "set_current and set_rnext");
    }
    assert_eq!(octets[202..208], [128, 7, 9, 0, 0, 80]);
    assert_eq!(octets[287], b'x');
}

/// `addr` 128 octets at 0, `ifindex` 4 at 128, the bits 4 at 132, `reserved2` 2 at 136, then an octet each: `prefix` 138,
/// `sndid` 139, `rcvid` 140, `current_key` 141, `rnext` 142, `keyflags` 143: 144 in all.
#[test]
fn the_kernels_form_of_a_key_to_remove() {
    let octets =
        encode_delete("10.1.0.0/16".parse().unwrap(), &key(TcpAoAlgorithm::HmacSha1, "secret")).unwrap();
    assert_eq!(octets.len(), 144);
    assert_eq!(octets[..8], [2, 0, 0, 0, 10, 1, 0, 0]);
    assert_eq!(octets[128..], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 7, 9, 0, 0, 0]);
}

/// The bits 4 octets at 0, `reserved2` 2 at 4, `current_key` 6, `rnext` 7, then five counters of 8 octets: 48 in all.
#[test]
fn the_kernels_form_of_a_key_to_use() {
    let octets = encode_use(&key(TcpAoAlgorithm::HmacSha1, "secret"));
    assert_eq!(octets.len(), 48);
    assert_eq!(octets[4..9], [0, 0, 7, 9, 0]);
    assert_eq!(octets[..4], super::SET_CURRENT_AND_NEXT.to_ne_bytes());
}

#[test]
fn keys_that_cannot_be() {
    for (secret, text) in [(String::new(), "cannot be empty"), ("x".repeat(81), "80 octets at most")] {
        let key = key(TcpAoAlgorithm::HmacSha1, &secret);
        let error = encode_add("192.0.2.7/32".parse().unwrap(), &key, Socket::Connection).unwrap_err();
        assert!(error.to_string().ends_with(text), "{error}");
    }
}

/// Whether this kernel takes keys decides which half of this runs; there is nothing between.
#[test]
fn a_kernel_takes_keys_or_says_that_it_has_none() {
    let key = key(TcpAoAlgorithm::HmacSha1, "secret");
    for (domain, network) in [(Domain::IPV4, "192.0.2.7/32"), (Domain::IPV6, "2001:db8::7/128")] {
        let network: ipnetwork::IpNetwork = network.parse().unwrap();
        let [dialled, listening] = [(); 2].map(|()| Socket2::new(domain, Type::STREAM, None).unwrap());
        let outcomes = [
            sign_dialled(dialled.as_fd(), network.ip(), &key),
            sign_listening(listening.as_fd(), network, &key),
        ];
        for error in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(
                error.to_string(),
                "this kernel has no TCP-AO (RFC 5925; Linux 6.7 or newer, built with CONFIG_TCP_AO)"
            );
        }
        for _ in 0..2 {
            unsign_listening(listening.as_fd(), network, &key).unwrap();
        }
    }
}
