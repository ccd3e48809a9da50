use futures_util::StreamExt as _;
use proto::v1::allocation_event::Event;

use super::*;

type Events = BoxStream<'static, Result<v1::AllocationEvent, Status>>;

async fn begin(fabric: &Fabric, node: &str, pool: &str) -> Result<Events, Status> {
    let request = v1::WatchAllocationsRequest { node: node.into(), pool: pool.into() };
    Ok(fabric.service.watch_allocations(Request::new(request)).await?.into_inner())
}

/// `+handle`, `-handle` or `=`.
async fn next(events: &mut Events) -> Result<String, Status> {
    let waiting = tokio::time::timeout(Duration::from_secs(20), events.next());
    let event = waiting.await.expect("an event").expect("no end")?;
    Ok(match event.event.unwrap() {
        Event::Assigned(allocation) => format!("+{}", allocation.handle),
        Event::Released(allocation) => format!("-{}", allocation.handle),
        Event::Synchronised(_) => "=".to_owned(),
    })
}

async fn take(events: &mut Events, count: usize) -> Vec<String> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(next(events).await.unwrap());
    }
    taken
}

#[tokio::test]
async fn everything_then_synchronised_then_changes() {
    let (fabric, _) = Fabric::inhabited().await;
    let mut all = begin(&fabric, "", "").await.unwrap();
    let mut present = take(&mut all, 3).await;
    present.sort();
    assert_eq!(present, ["+host", "+web", "+web"]);
    assert_eq!(take(&mut all, 1).await, ["="]);
    fabric.assign("new", 1).await.unwrap();
    fabric.first.release("web").await.unwrap();
    fabric.assign_on_second("far", 1).await;
    let mut changes = take(&mut all, 4).await;
    changes.sort();
    assert_eq!(changes, ["+far", "+new", "-web", "-web"]);
}

/// What happens before the first event is taken is told once, after what was there.
#[tokio::test]
async fn nothing_lies_between_what_is_there_and_what_changes() {
    let (fabric, _) = Fabric::inhabited().await;
    let mut events = begin(&fabric, "n1", "four").await.unwrap();
    fabric.first.release("web").await.unwrap();
    fabric.assign("next", 1).await.unwrap();
    assert_eq!(take(&mut events, 4).await, ["+web", "=", "-web", "+next"]);
}

#[tokio::test]
async fn only_what_was_asked_for() {
    let (fabric, _) = Fabric::inhabited().await;
    let mut events = begin(&fabric, "n2", "four").await.unwrap();
    assert_eq!(take(&mut events, 2).await, ["+host", "="]);
    fabric.assign("other", 1).await.unwrap();
    fabric.assign_on_second("own", 1).await;
    assert_eq!(take(&mut events, 1).await, ["+own"]);
    let missing = begin(&fabric, "", "five").await.map(drop).unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}

/// A reader that does not read costs no memory: it is cut off, and told.
#[tokio::test]
async fn a_slow_reader_is_cut_off() {
    let (fabric, _) = Fabric::inhabited().await;
    let mut events = begin(&fabric, "", "").await.unwrap();
    let block = {
        let state = fabric.first.known.read();
        state.index.blocks(Some("n2"), None, None).next().unwrap().value.clone()
    };
    // More changes of blocks than may wait.
    let key = ::ipam::Key::Block(block.cidr());
    let gone = ::ipam::Record::Block(block);
    for revision in 0..5000 {
        let revision = Revision(1_000_000 + revision);
        let value = revision.0.is_multiple_of(2).then_some(&gone);
        fabric.first.known.wrote(&key, value, revision);
    }
    assert_eq!(take(&mut events, 4).await.last().unwrap(), "=", "what it has is still told");
    let cut = next(&mut events).await.unwrap_err();
    assert_eq!(cut.code(), Code::Aborted);
    assert!(cut.message().contains("begin the watch again"), "{cut}");
    assert!(events.next().await.is_none(), "that is the end");
}
