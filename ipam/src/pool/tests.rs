use super::*;

fn pool(name: &str, cidr: &str, block_size: u8) -> Pool {
    Pool { block_size, ..Pool::new(name, cidr.parse().unwrap()) }
}

#[test]
fn a_pool_by_itself() {
    for (cidr, size, complaints) in [
        ("10.0.0.0/16", 26, &[][..]),
        ("10.0.0.0/26", 26, &[]),
        ("fd00::/64", 122, &[]),
        ("4000::/2", 128, &[]),
        ("10.0.0.1/16", 26, &["10.0.0.1/16 has bits set beyond its prefix length; write 10.0.0.0/16"]),
        (
            "10.0.0.0/27",
            26,
            &["10.0.0.0/27 is too small for one block of /26; widen the pool to /26 or shorter, \
               or set blockSize to 27 or longer"],
        ),
        ("10.0.0.0/16", 122, &["/122 is no block size for IPv4; it must be between 20 and 32 (default 26)"]),
        ("fd00::/64", 26, &["/26 is no block size for IPv6; it must be between 116 and 128 (default 122)"]),
        ("fd00::/64", 115, &["/115 is no block size for IPv6; it must be between 116 and 128 (default 122)"]),
        (
            "169.254.1.0/24",
            33,
            &[
                "169.254.1.0/24 overlaps 169.254.0.0/16, which is link-local; choose a unicast prefix outside of it",
                "/33 is no block size for IPv4; it must be between 20 and 32 (default 26)",
            ],
        ),
        (
            "::/0",
            122,
            &[
                "::/0 overlaps ::/127, which is unspecified and loopback; choose a unicast prefix outside of it",
            ],
        ),
        (
            "0.0.0.0/0",
            26,
            &[
                "0.0.0.0/0 overlaps 0.0.0.0/8, which is \"this network\" (RFC 791); choose a unicast prefix outside of it",
            ],
        ),
    ] {
        let found: Vec<String> = problems(&pool("p", cidr, size)).iter().map(ToString::to_string).collect();
        assert_eq!(found, complaints, "{cidr} {size}");
    }
}

#[test]
fn a_pool_among_others() {
    let stored = [pool("a", "10.0.0.0/16", 26), pool("b", "fd00::/64", 122)];
    for (pool, complaints) in [
        (pool("c", "10.1.0.0/16", 26), &[][..]),
        (pool("a", "10.0.0.0/16", 26), &[]),
        (
            pool("c", "10.0.128.0/24", 26),
            &["10.0.128.0/24 overlaps pool a (10.0.0.0/16); choose a prefix outside of it"],
        ),
        (
            pool("c", "fc00::/7", 122),
            &["fc00::/7 overlaps pool b (fd00::/64); choose a prefix outside of it"],
        ),
        (
            pool("a", "10.2.0.0/16", 26),
            &[
                "the prefix of pool a cannot change from 10.0.0.0/16 to 10.2.0.0/16; create another pool and disable this one",
            ],
        ),
        (
            pool("b", "fd00::/64", 124),
            &[
                "the block size of pool b cannot change from 122 to 124; create another pool and disable this one",
            ],
        ),
    ] {
        let found: Vec<String> = conflicts(&pool, &stored).iter().map(ToString::to_string).collect();
        assert_eq!(found, complaints);
    }
}

#[test]
fn defaults_follow_the_family() {
    let v4: Pool = serde_json::from_str(r#"{"cidr":"10.0.0.0/16"}"#).unwrap();
    let v6: Pool = serde_json::from_str(r#"{"cidr":"fd00::/64","assignmentMode":"Manual"}"#).unwrap();
    assert_eq!((v4.block_size, v6.block_size), (26, 122));
    assert_eq!(serde_json::to_string(&v4).unwrap(), r#"{"cidr":"10.0.0.0/16","blockSize":26}"#);
    assert_eq!(v6.assignment_mode, AssignmentMode::Manual);
}

#[test]
fn selectors_and_uses() {
    for (fields, complaints) in [
        (r#""nodeSelector":"rack == 'a'","namespaceSelector":"has(team)""#, &[][..]),
        (r#""allowedUses":["LoadBalancer"]"#, &[]),
        (r#""allowedUses":["LoadBalancer"],"nodeSelector":"all()""#, &[]),
        (
            r#""allowedUses":["LoadBalancer"],"nodeSelector":"rack == 'a'""#,
            &[
                "a pool for LoadBalancer serves no node, so `rack == 'a'` selects none; leave nodeSelector out",
            ],
        ),
        (
            r#""allowedUses":["LoadBalancer","Tunnel"]"#,
            &[
                "LoadBalancer must be the only one of allowedUses; put the other uses into a pool of their own",
            ],
        ),
        (
            r#""allowedUses":[]"#,
            &[
                "allowedUses is empty, so nothing could have an address; leave it out, or list Workload, Tunnel or LoadBalancer",
            ],
        ),
    ] {
        let pool: Pool = serde_json::from_str(&format!(r#"{{"cidr":"10.0.0.0/16",{fields}}}"#)).unwrap();
        let found: Vec<String> = problems(&pool).iter().map(ToString::to_string).collect();
        assert_eq!(found, complaints, "{fields}");
        let json = serde_json::to_string(&pool).unwrap();
        assert_eq!(serde_json::from_str::<Pool>(&json).unwrap(), pool);
    }
    for (fields, complaint) in [
        (r#""nodeSelector":"rack =""#, "character 6: found `=`, expected `==`"),
        (
            r#""allowedUses":["Cache"]"#,
            "unknown variant `Cache`, expected one of `Workload`, `Tunnel`, `LoadBalancer`",
        ),
        (r#""nodeselector":"all()""#, "unknown field `nodeselector`"),
    ] {
        let json = format!(r#"{{"cidr":"10.0.0.0/16",{fields}}}"#);
        let error = serde_json::from_str::<Pool>(&json).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    }
}
