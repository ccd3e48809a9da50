use super::*;
use crate::scenario::endpoint_id;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn in_namespace(name: &str, selector: Selector) -> EndpointSelector {
    EndpointSelector { namespaces: NamespaceScope::Named(name.to_owned()), endpoints: selector }
}

fn in_matching(namespaces: Selector, endpoints: Selector) -> EndpointSelector {
    EndpointSelector { namespaces: NamespaceScope::Matching(namespaces), endpoints }
}

#[test]
fn an_endpoint_is_held_only_against_selectors_that_ask_for_its_labels() {
    let mut file = SelectorFile::default();
    for number in 0..1000 {
        file.insert(&Selector::label("app", format!("a{number}")), SelectorHandle(number));
    }
    file.insert(&Selector::everything(), SelectorHandle(1000));
    let candidates: Vec<_> = file.candidates(&labels(&[("app", "a7"), ("tier", "a8")])).collect();
    assert_eq!(candidates, [SelectorHandle(7), SelectorHandle(1000)]);
}

#[test]
fn a_selector_is_held_only_against_endpoints_that_have_its_label() {
    let mut file = EndpointFile::default();
    for number in 0..1000 {
        file.insert(&labels(&[("app", &format!("a{number}"))]), EndpointHandle(number));
    }
    let selector = Selector::label("app", "a7");
    assert_eq!(file.candidates(selector.anchor()).collect::<Vec<_>>(), [EndpointHandle(7)]);
}

#[test]
fn changes_name_exactly_who_joined_and_left() {
    let mut index = Index::default();
    let web = endpoint_id("shop/web");
    index.set_endpoint(&web, &labels(&[("app", "web")]));
    index.set_endpoint(&endpoint_id("shop/db"), &labels(&[("app", "db")]));
    let webs = index.acquire(&in_namespace("shop", Selector::label("app", "web")));
    let dbs = index.acquire(&in_namespace("shop", Selector::label("app", "db")));
    let reds = index.acquire(&in_matching(Selector::label("team", "red"), Selector::label("app", "db")));
    assert_eq!((index.count(webs), index.count(dbs), index.count(reds)), (1, 1, 0));

    let change = |selector, joined| Change { selector, endpoint: web.clone(), joined };
    assert_eq!(index.set_endpoint(&web, &labels(&[("app", "db")])), [change(webs, false), change(dbs, true)]);
    assert_eq!(index.set_endpoint(&web, &labels(&[("app", "db"), ("x", "y")])), []);

    let joined = index.set_namespace("shop", Some(&labels(&[("team", "red")])));
    assert_eq!(joined.len(), 2);
    assert!(joined.contains(&change(reds, true)));
    assert_eq!(index.set_namespace("shop", Some(&labels(&[("team", "red"), ("x", "y")]))), []);

    assert_eq!(index.remove_endpoint(&web), [change(dbs, false), change(reds, false)]);
    let left = index.set_namespace("shop", None);
    assert_eq!(left, [Change { selector: reds, endpoint: endpoint_id("shop/db"), joined: false }]);
}

#[test]
fn a_selector_lives_as_long_as_its_users() {
    let mut index = Index::default();
    index.set_endpoint(&endpoint_id("shop/web"), &labels(&[("app", "web")]));
    let selector = in_matching(Selector::everything(), Selector::label("app", "web"));
    let handle = index.acquire(&selector);
    assert_eq!(index.acquire(&selector), handle);
    index.release(handle);
    assert_eq!(index.members(handle).count(), 1);
    index.release(handle);
    assert_eq!(index.members(handle).count(), 0);
    assert_eq!(index.selectors_of(&endpoint_id("shop/web")).count(), 0);
    assert!(index.matching.is_empty());
    assert_ne!(index.acquire(&selector), handle, "handles are never used twice");
}
