use super::*;

fn key(name: &str) -> Vec<Value> {
    vec![Value::Interface(name.to_owned())]
}

#[test]
fn everywhere_stays_everywhere() {
    let mut scope = Scope::default();
    let mut places = Places::default();
    places.key("set", key("a"));
    scope.absorb(Scope::Within(places.clone()));
    assert_eq!(scope, Scope::Within(places.clone()));
    scope.absorb(Scope::Everywhere);
    scope.absorb(Scope::Within(places));
    assert_eq!(scope, Scope::Everywhere);
}

#[test]
fn a_set_that_is_looked_at_as_a_whole_stays_so() {
    let mut places = Places::default();
    places.key("set", key("a"));
    places.set("set".to_owned());
    places.key("set", key("b"));
    assert_eq!(places.sets, [("set".to_owned(), Keys::All)].into());
}
