use super::*;

fn line(step: u8, claim: &str, found: Result<&str, &str>) -> Line {
    Line { step, claim: claim.to_owned(), found: found.map(str::to_owned).map_err(str::to_owned) }
}

#[test]
fn nothing_checked_is_nothing_that_holds() {
    assert!(!Summary::default().holds());
}

#[test]
fn one_line_that_fails_fails_the_whole() {
    let mut summary = Summary::default();
    summary.push(line(1, "routers are up", Ok("2 of 2")));
    assert!(summary.holds());
    summary.push(line(3, "pods connect", Err("timed out\nafter 3 s")));
    assert!(!summary.holds());
    let expected = "  1  ok    routers are up  2 of 2\n  3  FAIL  pods connect    timed out\n\n  \
        1 of 2 checks, 12 s: NOT everything holds\n";
    assert_eq!(summary.render(Duration::from_secs(12)), expected);
}
