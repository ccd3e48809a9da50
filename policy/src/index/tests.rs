use super::*;
use crate::model::{Endpoint, NetworkSet, NetworkSetId, Node, SERVICE_ACCOUNT_LABEL, ServiceAccounts};
use crate::scenario::endpoint_id;
use crate::selector::{Predicate, Selector};

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn in_namespace(name: &str, selector: Selector) -> EndpointSelector {
    EndpointSelector::kubernetes(NamespaceScope::Named(name.to_owned()), selector)
}

fn in_matching(namespaces: Selector, endpoints: Selector) -> EndpointSelector {
    EndpointSelector::kubernetes(NamespaceScope::Matching(Predicate::Kubernetes(namespaces)), endpoints)
}

fn own(namespaces: NamespaceScope, text: &str) -> EndpointSelector {
    EndpointSelector::own(namespaces, text.parse().unwrap())
}

fn endpoint(id: &str, pairs: &[(&str, &str)], account: Option<&str>) -> Endpoint {
    let service_account = account.map(str::to_owned);
    Endpoint { labels: labels(pairs), service_account, ..Endpoint::new(endpoint_id(id)) }
}

fn member(id: &str) -> MemberId {
    MemberId::Endpoint(endpoint_id(id))
}

impl Index {
    fn set(&mut self, endpoint: &Endpoint) -> Vec<Change> {
        self.set_member(&MemberId::Endpoint(endpoint.id.clone()), Member::Endpoint(endpoint))
    }
}

#[test]
fn an_endpoint_is_held_only_against_selectors_that_ask_for_its_labels() {
    let mut file = SelectorFile::default();
    for number in 0..1000 {
        let selector = in_namespace("shop", Selector::label("app", format!("a{number}")));
        file.insert(&selector, SelectorHandle(number));
    }
    file.insert(&in_namespace("shop", Selector::everything()), SelectorHandle(1000));
    let web = endpoint("shop/web", &[("app", "a7"), ("tier", "a8")], None);
    let candidates: Vec<_> = file.candidates(Member::Endpoint(&web).facts(None)).collect();
    assert_eq!(candidates, [SelectorHandle(7), SelectorHandle(1000)]);
}

#[test]
fn a_selector_is_held_only_against_endpoints_that_have_its_label() {
    let mut file = MemberFile::default();
    for number in 0..1000 {
        file.insert([("app", format!("a{number}").as_str())].into_iter(), MemberHandle(number));
    }
    let selector = Selector::label("app", "a7");
    assert_eq!(file.candidates(&selector.anchor()).collect::<Vec<_>>(), [MemberHandle(7)]);
}

#[test]
fn changes_name_exactly_who_joined_and_left() {
    let mut index = Index::default();
    let web = |pairs: &[(&str, &str)]| endpoint("shop/web", pairs, None);
    index.set(&web(&[("app", "web")]));
    index.set(&endpoint("shop/db", &[("app", "db")], None));
    let webs = index.acquire(&in_namespace("shop", Selector::label("app", "web")));
    let dbs = index.acquire(&in_namespace("shop", Selector::label("app", "db")));
    let reds = index.acquire(&in_matching(Selector::label("team", "red"), Selector::label("app", "db")));
    assert_eq!((index.count(webs), index.count(dbs), index.count(reds)), (1, 1, 0));

    let change = |selector, joined| Change { selector, member: member("shop/web"), joined };
    assert_eq!(index.set(&web(&[("app", "db")])), [change(webs, false), change(dbs, true)]);
    assert_eq!(index.set(&web(&[("app", "db"), ("x", "y")])), []);

    let joined = index.set_namespace("shop", Some(&labels(&[("team", "red")])));
    assert_eq!(joined.len(), 2);
    assert!(joined.contains(&change(reds, true)));
    assert_eq!(index.set_namespace("shop", Some(&labels(&[("team", "red"), ("x", "y")]))), []);

    assert_eq!(index.remove_member(&member("shop/web")), [change(dbs, false), change(reds, false)]);
    let left = index.set_namespace("shop", None);
    assert_eq!(left, [Change { selector: reds, member: member("shop/db"), joined: false }]);
}

#[test]
fn a_selector_lives_as_long_as_its_users() {
    let mut index = Index::default();
    index.set(&endpoint("shop/web", &[("app", "web")], None));
    let selector = in_matching(Selector::everything(), Selector::label("app", "web"));
    let handle = index.acquire(&selector);
    assert_eq!(index.acquire(&selector), handle);
    index.release(handle);
    assert_eq!(index.members(handle).count(), 1);
    index.release(handle);
    assert_eq!(index.members(handle).count(), 0);
    assert_eq!(index.selectors_of(&member("shop/web")).count(), 0);
    assert!(index.scoped.is_empty());
    assert_ne!(index.acquire(&selector), handle, "handles are never used twice");
}

#[test]
fn service_accounts_select_and_nobody_gives_himself_one() {
    let mut index = Index::default();
    let everywhere = || own(NamespaceScope::Everywhere, "all()");
    let accounts = |names: &[&str], selector: &str| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let service_accounts = Some(ServiceAccounts { names, selector: selector.parse().unwrap() });
        EndpointSelector { service_accounts, ..everywhere() }
    };
    let bots = index.acquire(&accounts(&["bot"], ""));
    let trusted = index.acquire(&accounts(&[], "trust == 'yes'"));
    let by_label =
        index.acquire(&own(NamespaceScope::Everywhere, "projectcalico.org/serviceaccount == 'bot'"));
    index.set(&endpoint("shop/a", &[], Some("bot")));
    index.set(&endpoint("shop/liar", &[(SERVICE_ACCOUNT_LABEL, "bot")], Some("other")));
    index.set(&endpoint("shop/none", &[(SERVICE_ACCOUNT_LABEL, "bot")], None));
    for selector in [bots, by_label] {
        assert!(index.members(selector).eq(&[member("shop/a")]));
    }
    // Until the account is known, it is none with the label.
    assert_eq!(index.count(trusted), 0);
    let id = ServiceAccountId { namespace: "shop".to_owned(), name: "bot".to_owned() };
    let joined = index.set_service_account(&id, Some(&labels(&[("trust", "yes")])));
    assert_eq!(joined, [Change { selector: trusted, member: member("shop/a"), joined: true }]);
    assert_eq!(index.set_service_account(&id, None).len(), 1);
    assert_eq!(index.set(&endpoint("shop/a", &[], Some("other"))).len(), 2);
    assert_eq!(index.count(bots), 0);
}

#[test]
fn expressions_select_networks_and_the_api_selects_endpoints_and_nodes() {
    let mut index = Index::default();
    let set = NetworkSet { labels: labels(&[("app", "web")]), ..NetworkSet::default() };
    let global = NetworkSetId { namespace: None, name: "g".to_owned() };
    let local = NetworkSetId { namespace: Some("shop".to_owned()), name: "l".to_owned() };
    for id in [&global, &local] {
        index.set_member(&MemberId::NetworkSet(id.clone()), Member::NetworkSet(id, &set));
    }
    let node = Node { labels: labels(&[("app", "web")]), ..Node::default() };
    index.set_member(&MemberId::Node("n1".to_owned()), Member::Node(&node));
    index.set(&endpoint("shop/web", &[("app", "web")], None));
    let named = |id: &NetworkSetId| MemberId::NetworkSet(id.clone());
    let all = || Predicate::Expression("all()".parse().unwrap());
    let web = "app == 'web'";
    let expected = [
        (in_matching(Selector::everything(), Selector::everything()), vec![member("shop/web")]),
        (EndpointSelector::nodes(Selector::label("app", "web")), vec![MemberId::Node("n1".to_owned())]),
        (own(NamespaceScope::Named("shop".to_owned()), web), vec![named(&local), member("shop/web")]),
        (own(NamespaceScope::matching(all()), web), vec![named(&local), member("shop/web")]),
        (own(NamespaceScope::Global, web), vec![named(&global)]),
        (own(NamespaceScope::Everywhere, web), vec![named(&global), named(&local), member("shop/web")]),
        (own(NamespaceScope::Everywhere, "global()"), vec![named(&global)]),
        (
            own(NamespaceScope::Everywhere, "projectcalico.org/namespace == 'shop'"),
            vec![named(&local), member("shop/web")],
        ),
    ];
    for (selector, members) in expected {
        let handle = index.acquire(&selector);
        assert_eq!(index.members(handle).cloned().collect::<Vec<_>>(), members, "{selector:?}");
    }
}

#[test]
fn what_no_value_satisfies_selects_nothing_and_is_forgotten() {
    let mut index = Index::default();
    index.set(&endpoint("shop/web", &[("app", "web")], None));
    let handle = index.acquire(&own(NamespaceScope::Everywhere, "app in {}"));
    assert_eq!(index.count(handle), 0);
    index.set(&endpoint("shop/web", &[("app", "")], None));
    assert_eq!(index.count(handle), 0);
    index.release(handle);
    assert!(index.scoped.is_empty());
}
