use super::Origin;

#[test]
fn text_and_code_and_back() {
    for (code, origin) in Origin::ALL.into_iter().enumerate() {
        assert_eq!(usize::from(origin.code()), code);
        assert_eq!(Origin::from_code(origin.code()), Some(origin));
        assert_eq!(origin.to_string().parse(), Ok(origin));
    }
    assert_eq!("igp".parse(), Ok(Origin::Igp));
    assert_eq!(Origin::from_code(3), None);
    assert!("?".parse::<Origin>().is_err());
}
