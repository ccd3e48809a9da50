use super::{attribute_name, describe};

#[test]
fn errors_have_their_rfc_names() {
    let table = [
        ((1, 2), "Message Header Error / Bad Message Length"),
        ((2, 2), "OPEN Message Error / Bad Peer AS"),
        ((2, 0), "OPEN Message Error"),
        ((3, 1), "UPDATE Message Error / Malformed Attribute List"),
        ((3, 11), "UPDATE Message Error / Malformed AS_PATH"),
        ((3, 77), "UPDATE Message Error / 77"),
        ((4, 0), "Hold Timer Expired"),
        ((5, 3), "Finite State Machine Error / Receive Unexpected Message in Established State"),
        ((6, 2), "Cease / Administrative Shutdown"),
        ((6, 7), "Cease / Connection Collision Resolution"),
        ((7, 1), "ROUTE-REFRESH Message Error / Invalid Message Length"),
        ((2, 11), "OPEN Message Error / Role Mismatch"),
        ((8, 0), "Send Hold Timer Expired"),
        ((99, 3), "Unknown Error 99 / 3"),
    ];
    for ((code, subcode), name) in table {
        assert_eq!(describe(code, subcode), name);
    }
}

#[test]
fn attributes_have_their_rfc_names() {
    assert_eq!(attribute_name(14), "MP_REACH_NLRI");
    assert_eq!(attribute_name(254), "attribute 254");
}
