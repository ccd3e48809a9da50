use super::*;
use crate::wire::Family;

fn table(count: u8) -> (Table, Vec<DestId>) {
    let mut table = Table::new(Family::Ipv4Unicast);
    let prefixes = (0..count).map(|number| format!("10.{number}.0.0/16").parse().expect("a prefix"));
    let dests = prefixes.map(|prefix| table.find_or_insert(&prefix)).collect();
    (table, dests)
}

#[test]
fn what_changes_again_moves_to_the_end() {
    let (mut table, dests) = table(3);
    let mut log = Log::default();
    dests.iter().for_each(|dest| log.touch(&mut table, *dest));
    log.touch(&mut table, dests[0]);
    let read: Vec<_> = log.after(0).collect();
    assert_eq!(read, [(2, dests[1]), (3, dests[2]), (4, dests[0])]);
    assert_eq!(log.after(3).collect::<Vec<_>>(), [(4, dests[0])]);
    log.forget(&mut table, dests[2]);
    assert_eq!(log.after(2).collect::<Vec<_>>(), [(4, dests[0])]);
    assert_eq!(table.destination(dests[2]).place, 0);
}

#[test]
fn squeezing_keeps_the_order_and_every_place() {
    let (mut table, dests) = table(3);
    let mut log = Log::default();
    for round in 0..4 {
        for dest in &dests {
            log.touch(&mut table, *dest);
        }
        assert_eq!(log.wants_squeeze(), round > 0);
    }
    // Places 1 to 9 are holes; 10, 11, 12 stand.
    let moved = log.squeeze(&mut table);
    assert_eq!(log.after(0).map(|(_, dest)| dest).collect::<Vec<_>>(), dests);
    assert_eq!([0, 9, 10, 11, 12, 99].map(|place| moved.place(place)), [0, 0, 1, 2, 3, 3]);
    let places: Vec<_> = dests.iter().map(|dest| table.destination(*dest).place).collect();
    assert_eq!(places, [1, 2, 3]);
    assert!(!log.wants_squeeze());
}
