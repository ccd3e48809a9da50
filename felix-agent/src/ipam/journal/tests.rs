//! Whatever a crash leaves of the file, what was acknowledged is there, and nothing else is.

use std::fs;

use tempfile::TempDir;

use super::*;

fn entry(number: u32) -> Entry {
    let handle = format!("fabric.c{number}.eth0");
    let block = "10.0.0.0/26".parse().unwrap();
    let slot = Slot {
        handle: ipam::standby::handle("n1", number),
        address: format!("10.0.0.{number}").parse().unwrap(),
        block,
        sequence: u64::from(number),
    };
    Entry {
        handle,
        container_id: format!("c{number}"),
        attributes: Attributes { node: "n1".into(), pod: format!("web-{number}\n"), ..Attributes::default() },
        slots: vec![slot],
        endpoint: None,
        gone: None,
        lost: None,
    }
}

fn endpoint(number: u32, name: &str) -> Entry {
    let endpoint = WorkloadEndpoint {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        node: "n1".to_owned(),
        container_id: format!("c{number}"),
        interface: "eth0".to_owned(),
        host_interface: format!("fab{number}"),
        mac: String::new(),
        addresses: Vec::new(),
        labels: BTreeMap::new(),
        netns: String::new(),
    };
    Entry { endpoint: Some(Box::new(endpoint)), ..entry(number) }
}

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("state/agent.journal")
    }

    fn open(&self) -> Journal {
        Journal::open(&self.path(), "n1").unwrap()
    }
}

fn names(journal: &Journal) -> Vec<String> {
    journal.entries().keys().cloned().collect()
}

#[tokio::test]
async fn what_was_noted_outlives_the_process() {
    let place = Place::new();
    let journal = place.open();
    journal.put(entry(1)).await.unwrap();
    journal.put(entry(2)).await.unwrap();
    assert!(journal.settle(entry(1)).await.unwrap());
    // One that has changed since is not what was settled.
    assert!(!journal.settle(Entry { lost: Some("x".into()), ..entry(2) }).await.unwrap());
    let again = place.open();
    assert_eq!(*again.entries(), Entries::from([(entry(2).handle, entry(2))]));
    assert_eq!(again.promised(), BTreeSet::from([ipam::standby::handle("n1", 2)]));
    again.put(entry(3)).await.unwrap();
    assert_eq!(names(&place.open()), ["fabric.c2.eth0", "fabric.c3.eth0"]);
}

#[tokio::test]
async fn a_file_cut_at_any_octet_says_what_was_whole_then_or_is_refused() {
    let place = Place::new();
    let journal = place.open();
    let mut lengths = vec![fs::metadata(place.path()).unwrap().len()];
    for step in [entry(1), entry(2), endpoint(1, "web"), endpoint(2, "web")] {
        journal.put(step).await.unwrap();
        lengths.push(fs::metadata(place.path()).unwrap().len());
    }
    journal.settle(journal.entry(&entry(1).handle).unwrap()).await.unwrap();
    lengths.push(fs::metadata(place.path()).unwrap().len());
    let whole = fs::read(place.path()).unwrap();
    // What each of the changes left.
    let states: Vec<Vec<String>> = [0, 1, 2, 2, 2, 1]
        .iter()
        .enumerate()
        .map(|(step, count)| match (step, count) {
            (_, 0) => Vec::new(),
            (5, _) => vec![entry(2).handle],
            (_, count) => (1..=*count).map(|number| entry(number).handle).collect(),
        })
        .collect();
    for cut in 0..=whole.len() {
        fs::write(place.path(), &whole[..cut]).unwrap();
        let opened = Journal::open(&place.path(), "n1");
        let lines = lengths.iter().filter(|length| **length <= u64::try_from(cut).unwrap()).count();
        match (cut, lines) {
            (0, _) => assert!(opened.unwrap().entries().is_empty(), "one that nobody has begun"),
            (_, 0) => assert!(matches!(opened, Err(JournalError::Damaged { line: 1, .. })), "cut at {cut}"),
            (_, lines) => {
                let opened = opened.unwrap();
                assert_eq!(names(&opened), states[lines - 1], "cut at {cut}");
                // It goes on from there.
                opened.put(entry(9)).await.unwrap();
                assert_eq!(names(&place.open()).len(), states[lines - 1].len() + 1, "cut at {cut}");
            }
        }
    }
}

#[tokio::test]
async fn an_octet_that_changed_is_found_and_only_the_last_line_may_be_missing() {
    let place = Place::new();
    let journal = place.open();
    for number in 1..4 {
        journal.put(entry(number)).await.unwrap();
    }
    let whole = fs::read(place.path()).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|octet| *octet == b'\n').unwrap() + 1;
    for at in 0..whole.len() {
        let mut text = whole.clone();
        text[at] ^= 0x10;
        fs::write(place.path(), &text).unwrap();
        match Journal::open(&place.path(), "n1") {
            Ok(opened) => {
                // Without the end of the one before, both are one, which is not whole.
                let left = if at + 1 == last { 1 } else { 2 };
                assert!(at + 1 >= last, "octet {at} was not missed");
                assert_eq!(names(&opened), ["fabric.c1.eth0", "fabric.c2.eth0"][..left]);
            }
            Err(error) => assert!(at < last, "octet {at}: {error}"),
        }
    }
}

#[tokio::test]
async fn of_two_containers_of_a_pod_the_newer_is_its_endpoint() {
    let place = Place::new();
    let journal = place.open();
    journal.put(endpoint(1, "web")).await.unwrap();
    journal.put(endpoint(2, "other")).await.unwrap();
    journal.put(endpoint(3, "web")).await.unwrap();
    assert_eq!(journal.entry(&entry(1).handle), Some(entry(1)));
    let id = EndpointId { namespace: "shop".into(), name: "other".into() };
    journal.supersede(&id, "somebody").await.unwrap();
    assert_eq!(place.open().entry(&entry(2).handle), Some(entry(2)));
    assert!(place.open().entry(&entry(3).handle).unwrap().attached().is_some());
}

#[tokio::test]
async fn a_file_that_has_grown_is_begun_anew() {
    let place = Place::new();
    let journal = place.open();
    let long = "x".repeat(100_000);
    for number in 0..20 {
        let lost = Some(format!("{number}{long}"));
        journal.put(Entry { lost, ..entry(1) }).await.unwrap();
    }
    assert!(fs::metadata(place.path()).unwrap().len() < 700_000);
    assert_eq!(place.open().entries(), journal.entries());
}

#[tokio::test]
async fn nobody_is_told_that_something_was_noted_which_was_not() {
    let place = Place::new();
    let journal = place.open();
    journal.put(entry(1)).await.unwrap();
    // No file can be begun there any more, and nothing else can be done after a failure.
    let none = Journal::none();
    assert!(none.put(entry(2)).await.is_err());
    assert!(none.entries().is_empty());
    let other = Journal::open(&place.path(), "n2").unwrap_err();
    assert!(other.to_string().contains("is of node n1, and this is n2"), "{other}");
    fs::remove_dir_all(place.directory.path().join("state")).unwrap();
    fs::write(place.directory.path().join("state"), "").unwrap();
    let error = Journal::open(&place.path(), "n1").unwrap_err();
    assert!(matches!(error, JournalError::Io { .. }), "{error}");
}
