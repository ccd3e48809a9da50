use super::*;

#[test]
fn a_sets_name_is_a_number_and_a_family() {
    let home = |name| home(name).map(|Home { set, selector }| (set, selector));
    assert_eq!(home("s0123456789abcdef4"), Some(("selected4", [0x0123_4567, 0x89ab_cdef])));
    assert_eq!(home("sffffffffffffffff6"), Some(("selected6", [u32::MAX, u32::MAX])));
    for other in
        ["from_ep", "ep_source4", "selected4", "s4", "", "é4", "s0123456789abcdefg4", "s10123456789abcdef4"]
    {
        assert_eq!(home(other), None, "{other}");
    }
}
