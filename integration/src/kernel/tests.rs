use super::*;

#[test]
fn gateways_are_read_from_single_and_multipath_routes() {
    let table = [
        (r#"[{"dst":"10.42.0.0/26","gateway":"10.1.1.0","dev":"tor1","protocol":"80"}]"#, vec!["10.1.1.0"]),
        (
            r#"[{"dst":"10.42.0.0/26","nhid":7,"flags":[],"nexthops":[
                {"gateway":"10.1.1.0","dev":"tor1","weight":1,"flags":[]},
                {"gateway":"10.1.2.0","dev":"tor2","weight":1,"flags":[]}]}]"#,
            vec!["10.1.1.0", "10.1.2.0"],
        ),
        (r#"[{"type":"blackhole","dst":"10.42.0.0/26"}]"#, vec![]),
        (r#"[{"dst":"10.42.0.0/26","nhid":7}]"#, vec![]),
    ];
    for (text, expected) in table {
        let routes: Vec<Route> = serde_json::from_str(text).unwrap();
        let expected: BTreeSet<IpAddr> = expected.iter().map(|address| address.parse().unwrap()).collect();
        assert_eq!(direct_gateways(&routes), expected, "{text}");
    }
}
