use proptest::prelude::*;

use super::*;

fn root() -> Root {
    Root("/fabric/".to_owned())
}

#[test]
fn keys_are_paths() {
    for (key, spelling) in [
        (Key::namespaced(Kind::Pod, "shop", "web-1"), "/fabric/Pod/shop/web-1"),
        (Key::global(Kind::IpPool, "default"), "/fabric/IPPool//default"),
        (Key::global(Kind::IpamHandle, "a/b%2Fc"), "/fabric/IPAMHandle//a%2Fb%252Fc"),
    ] {
        assert_eq!(String::from_utf8(root().encode(&key)).unwrap(), spelling);
        assert_eq!(root().decode(spelling.as_bytes()), Ok(key));
    }
}

#[test]
fn what_is_no_key_is_refused_by_name() {
    for (spelling, complaint) in [
        ("/fabric/Pod/shop", "which is none"),
        ("/fabric/Pod/shop/web/1", "which is none"),
        ("/fabric/Pod/shop/web%2f1", "which is none"),
        ("/fabric/Pod/shop/100%", "which is none"),
        ("/fabrics/Pod/shop/web", "which is none"),
        ("/fabric/Deployment/shop/web", "unknown kind Deployment; run a newer version"),
    ] {
        let refused = root().decode(spelling.as_bytes()).unwrap_err().to_string();
        assert!(refused.contains(complaint) && refused.contains(spelling), "{refused}");
    }
    assert!(root().decode(b"/fabric/Pod/shop/\xff").is_err());
}

#[test]
fn ranges_end_after_all_that_begin_so() {
    assert_eq!(end_of(b"/a/"), b"/a0");
}

proptest! {
    #[test]
    fn every_name_comes_back(namespace in "[a-z/%2F5]{0,8}", name in "\\PC{1,12}|[/%25F]{1,8}") {
        let key = Key { kind: Kind::WorkloadEndpoint, namespace, name };
        let spelling = root().encode(&key);
        prop_assert!(spelling.starts_with(&root().of_kind(key.kind, Some(&key.namespace))));
        prop_assert_eq!(root().decode(&spelling), Ok(key));
    }

    #[test]
    fn every_spelling_is_of_one_key(text in "[a%/25F]{0,12}") {
        let spelling = format!("/fabric/Pod/{text}").into_bytes();
        if let Ok(key) = root().decode(&spelling) {
            prop_assert_eq!(root().encode(&key), spelling);
        }
    }
}
