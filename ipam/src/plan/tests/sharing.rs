//! Batches: what arrives together shares writes, and what fails in one fails alone.

use super::*;

fn pod(handle: &str, wanted: &[Wanted]) -> Task {
    Task::Assign(Box::new(request("n1", handle, wanted)))
}

fn release_of(handle: &str) -> Task {
    Task::Release { handle: handle.into(), now: NOW }
}

#[test]
fn eight_requests_share_the_rewrite_of_their_block() {
    let mut store = Store::new(&[("10.0.0.0/24", 26)]);
    store.assign(&request("n1", "a", &[V4])).unwrap();
    let tasks: Vec<Task> = (0..8).map(|index| pod(&format!("h{index}"), &[V4])).collect();
    let batch = Batch::plan(&store.snapshot(), &tasks);
    assert_eq!(batch.writes.len(), 9);
    assert!(matches!(batch.writes.last().unwrap().key, Key::Block(_)));
    store.commit_all(&batch.writes);
    let mut seen = BTreeSet::new();
    for answer in &batch.answers {
        let Outcome::Assigned(addresses) = &answer.outcome else { panic!("{answer:?}") };
        assert!(seen.insert(addresses.clone()));
        assert_eq!(answer.writes, 9);
    }
    let sequences: BTreeSet<u64> =
        store.blocks().flat_map(Block::allocations).map(|(_, allocation)| allocation.sequence).collect();
    assert_eq!((seen.len(), sequences.len()), (8, 9));
}

#[test]
fn releases_and_assignments_of_one_block_are_one_write_and_one_that_fails_is_left_out() {
    let mut store = Store::new(&[("10.0.0.0/28", 28)]);
    store.assign(&request("n1", "a", &[V4, V4])).unwrap();
    store.assign(&request("n1", "b", &[V4])).unwrap();
    let taken = store.assign(&request("n1", "c", &[V4])).unwrap()[0];
    let item = |address| ReleaseItem { address, handle: "c".into(), sequence: Some(1) };
    let tasks = [
        release_of("a"),
        pod("d", &[V4]),
        pod("e", &[Wanted::Address(taken)]),
        pod("b", &[V4]),
        Task::ReleaseAddresses { items: vec![item(taken)], now: NOW },
        release_of("nobody"),
    ];
    let batch = Batch::plan(&store.snapshot(), &tasks);
    let turns: Vec<String> = batch.writes.iter().map(|write| write.key.to_string()).collect();
    assert_eq!(turns, ["handle d", "block 10.0.0.0/28", "handle a"]);
    store.commit_all(&batch.writes);
    let [a, d, e, b, c, nobody] = batch.answers.as_slice() else { panic!("{batch:?}") };
    assert!(matches!(&a.outcome, Outcome::Released(addresses) if addresses.len() == 2));
    assert!(matches!(&d.outcome, Outcome::Assigned(addresses) if addresses.len() == 1));
    assert!(matches!(&e.outcome, Outcome::Refused(Refusal::Assign(AssignError::InUse { .. }))));
    assert!(matches!(&b.outcome, Outcome::Assigned(_)));
    assert!(matches!(&c.outcome, Outcome::Refused(Refusal::Release(ReleaseError::GivenOutAgain { .. }))));
    assert_eq!(nobody.outcome, Outcome::Released(Vec::new()));
    // What a task needs of the batch: all for `a`, all but the last for `d`, nothing for who holds already.
    assert_eq!(batch.answers.iter().map(|answer| answer.writes).collect::<Vec<_>>(), [3, 2, 0, 0, 0, 0]);
    assert_eq!(store.used(), 3);
}

#[test]
fn a_second_task_of_the_same_handle_waits_for_the_next_batch() {
    let mut store = Store::new(&[("10.0.0.0/28", 28)]);
    store.assign(&request("n1", "a", &[V4])).unwrap();
    let tasks = [release_of("a"), pod("a", &[V4]), pod("b", &[V4]), release_of("b")];
    let batch = Batch::plan(&store.snapshot(), &tasks);
    let again: Vec<bool> = batch.answers.iter().map(|answer| answer.outcome == Outcome::Again).collect();
    assert_eq!(again, [false, true, false, true]);
    let outcomes = store.batch(&tasks);
    assert!(matches!(&outcomes[1], Outcome::Assigned(addresses) if addresses.len() == 1));
    assert_eq!(store.handles().map(|handle| handle.id.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn one_claim_serves_all_that_wait_for_it() {
    let mut store = Store::new(&[("10.0.0.0/24", 26), ("fd00::/64", 122)]);
    let tasks: Vec<Task> = (0..70).map(|index| pod(&format!("h{index}"), &[V4, V6])).collect();
    let first = Batch::plan(&store.snapshot(), &tasks);
    // Two claims, of two records each.
    assert_eq!(first.writes.len(), 4);
    let outcomes = store.batch(&tasks);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Assigned(a) if a.len() == 2)));
    assert_eq!((store.blocks().count(), store.used()), (4, 140));
}

#[test]
fn a_partial_view_serves_whom_it_can() {
    let mut store = Store::new(&[("10.0.0.0/24", 30)]);
    store.assign(&request("n1", "a", &[V4])).unwrap();
    let mut part = store.snapshot();
    part.scope = Scope::Part;
    let tasks: Vec<Task> = (0..5).map(|index| pod(&format!("h{index}"), &[V4])).collect();
    let batch = Batch::plan(&part, &tasks);
    let read_all: Vec<bool> = batch.answers.iter().map(|answer| answer.outcome == Outcome::ReadAll).collect();
    assert_eq!(read_all, [false, false, false, true, true]);
    assert_eq!(batch.writes.len(), 4);
}

#[test]
fn idle_blocks_of_others_are_taken_one_by_one() {
    let mut store = Store::new(&[("10.0.0.0/29", 31)]);
    for node in ["n2", "n3", "n4", "n5"] {
        store.assign(&request(node, node, &[V4])).unwrap();
        store.release(node);
    }
    store.pass(60);
    let tasks: Vec<Task> = (0..4)
        .map(|index| {
            let pod = request("n1", &format!("h{index}"), &[V4]);
            Task::Assign(Box::new(Request { now: store.now, ..pod }))
        })
        .collect();
    store.batch(&tasks);
    // As many as they need, and no more.
    assert_eq!((store.blocks_of("n1").len(), store.blocks().count()), (2, 4));
}

#[test]
fn two_that_were_cut_short_in_each_others_blocks_take_turns() {
    let mut store = Store::new(&[("10.0.0.0/28", 31)]);
    store.assign(&request("n1", "x", &[V4, V4])).unwrap();
    store.assign(&request("n1", "y", &[V4, V4])).unwrap();
    let blocks: Vec<IpNetwork> = store.blocks().map(Block::cidr).collect();
    store.release("x");
    store.release("y");
    // Each named another block, which had nothing for it when it came.
    for (handle, block) in [("p", blocks[0]), ("q", blocks[1])] {
        let record = Record::Handle(Handle { id: handle.into(), blocks: [(block, 2)].into() });
        store.commit(&Write { key: record.key(), expected: None, value: Some(record) }).unwrap();
    }
    store.assign(&request("n2", "z0", &[Wanted::Address(blocks[0].network())])).unwrap();
    store.assign(&request("n2", "z1", &[Wanted::Address(blocks[1].network())])).unwrap();
    let other = |block: IpNetwork| Wanted::Address(block.iter().nth(1).unwrap());
    let tasks = [pod("p", &[other(blocks[1])]), pod("q", &[other(blocks[0])])];
    let batch = Batch::plan(&store.snapshot(), &tasks);
    assert!(matches!(batch.answers[0].outcome, Outcome::Assigned(_)));
    assert_eq!(batch.answers[1].outcome, Outcome::Again);
    let order: Vec<String> = batch.writes.iter().map(|write| write.key.to_string()).collect();
    let named_first = [format!("block {}", blocks[0]), format!("block {}", blocks[1])];
    assert_eq!(order[1..], named_first);
    assert!(store.batch(&tasks).iter().all(|outcome| matches!(outcome, Outcome::Assigned(_))));
}
