use bytes::Bytes;

use super::{MAX_OCTETS, Queue, Stop, Work};

#[tokio::test]
async fn what_happens_before_the_dump_is_in_the_dump() {
    let queue = Queue::default();
    queue.push(&Bytes::from_static(b"away"));
    queue.dump(Vec::new());
    assert!(!queue.is_live(), "nobody is there");
    queue.connected();
    queue.push(&Bytes::from_static(b"waiting"));
    queue.dump(Vec::new());
    queue.push(&Bytes::from_static(b"live"));
    queue.dump(Vec::new());
    assert_eq!(queue.next().await, Work::Dump(Vec::new()));
    assert_eq!(queue.next().await, Work::Send(Bytes::from_static(b"live")));
    assert_eq!(queue.take(), None, "a second dump was not asked for");
}

#[tokio::test]
async fn who_falls_behind_is_stopped_and_begins_anew() {
    let queue = Queue::default();
    queue.connected();
    queue.dump(Vec::new());
    let message = Bytes::from(vec![0; MAX_OCTETS / 4]);
    for _ in 0..4 {
        queue.push(&message);
    }
    assert_eq!(queue.next().await, Work::Dump(Vec::new()));
    assert_eq!(queue.next().await, Work::Send(message.clone()));
    queue.push(&message);
    assert!(queue.is_live(), "what was taken out counts no longer");
    queue.push(&message);
    assert_eq!(queue.stopped().await, Stop::Overrun);
    assert_eq!(queue.next().await, Work::Stop(Stop::Overrun));
    queue.disconnected();
    queue.connected();
    assert_eq!(queue.take(), None);
}

#[tokio::test]
async fn removed_is_for_ever() {
    let queue = Queue::default();
    queue.remove();
    queue.connected();
    queue.dump(Vec::new());
    assert_eq!(queue.next().await, Work::Stop(Stop::Removed));
}
