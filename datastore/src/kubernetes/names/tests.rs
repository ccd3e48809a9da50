use proptest::prelude::*;

use super::*;

#[test]
fn what_is_legal_stays_as_it_is() {
    for name in ["9f2c.eth0", "node-1.example.org.10-244-0-0-26", "10-244-0-64-26", "a"] {
        assert_eq!(object_name(Kind::IpamHandle, name).as_deref(), Ok(name));
    }
    for value in ["", "node-1.example.org", "A_b.C", "x0123"] {
        assert_eq!(label_value(value), value);
    }
}

#[test]
fn what_is_not_is_legible_still() {
    let name = |name| object_name(Kind::BlockAffinity, name).unwrap();
    assert_eq!(name("9f2c.fab_0"), "9f2c.fab-0.xffe51291503d83f31b10ef77e9115399");
    assert!(name("virtual:load-balancer.10-0-0-0-26").starts_with("virtual-load-balancer.10-0-0-0-26.x"));
    assert!(name("Eth0").starts_with("eth0.x"));
    assert_eq!(name("").len(), 33);
    assert!(label_value(&"node".repeat(20)).starts_with("nodenodenodenodenodenodenoden-x"));
}

#[test]
fn names_that_the_spec_does_not_repeat_are_refused() {
    let wrong = object_name(Kind::IpPool, "My_Pool").unwrap_err();
    assert!(
        wrong.starts_with("IPPool \"My_Pool\" cannot be named so in Kubernetes: use at most 253"),
        "{wrong}"
    );
    assert_eq!(object_name(Kind::Node, "node-1").as_deref(), Ok("node-1"));
}

#[test]
fn keys_of_labels_are_told_from_other_texts() {
    for legal in ["app", "fabric.rs/node", "a.b/C_d"] {
        assert!(is_label_key(legal), "{legal}");
    }
    for wrong in ["", "fabric.rs/", "/a", "a/b/c", "A.b/c", "a b", "-a"] {
        assert!(!is_label_key(wrong), "{wrong}");
    }
}

/// Names like ours, legal and not, and such as look like mapped ones.
fn name() -> impl Strategy<Value = String> {
    let plain = "[a-z0-9.:_A-Z-]{0,12}";
    let wild = any::<String>();
    prop_oneof![
        4 => plain.prop_map(|name| name),
        1 => wild,
        1 => plain.prop_map(|name| mapped(&name)),
        1 => plain.prop_map(|name| label_value(&name)),
        1 => "[a-z_.-]{240,270}".prop_map(|name| name),
    ]
}

proptest! {
    #[test]
    fn every_name_becomes_a_legal_one(name in name()) {
        let mapped = object_name(Kind::IpamHandle, &name).unwrap();
        prop_assert!(is_subdomain(&mapped), "{mapped:?}");
        prop_assert!(is_label_value(&label_value(&name)), "{:?}", label_value(&name));
    }

    #[test]
    fn no_two_names_become_one(one in name(), other in name()) {
        // Also a name beside that which it is mapped to.
        for other in [&other, &mapped(&one), &mapped(&mapped(&one)), &one.to_lowercase(), &one.replace('_', "-")] {
            prop_assert_eq!(one == *other, mapped(&one) == mapped(other));
        }
        for other in [&other, &label_value(&one), &one.to_lowercase(), &one.replace(':', "-")] {
            prop_assert_eq!(one == *other, label_value(&one) == label_value(other));
        }
    }
}
