use super::Role;

#[test]
fn text_and_code_and_back() {
    for code in 0..5 {
        let role = Role::from_code(code).unwrap();
        assert_eq!(role.code(), code);
        assert_eq!(role.to_string().parse(), Ok(role));
    }
    assert_eq!(Role::from_code(5), None);
    let error = "client".parse::<Role>().unwrap_err().to_string();
    assert!(error.contains("\"client\"") && error.contains("route-server-client"), "{error}");
}

#[test]
fn counterparts() {
    let table = [
        (Role::Provider, Role::Customer),
        (Role::RouteServer, Role::RouteServerClient),
        (Role::Peer, Role::Peer),
    ];
    for (one, other) in table {
        assert_eq!((one.counterpart(), other.counterpart()), (other, one));
    }
}
