use super::*;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const REST: Duration = Duration::from_secs(30);

fn block(cidr: &str) -> Block {
    Block::new(cidr.parse().unwrap(), "n1", NOW).unwrap()
}

fn later(seconds: u64) -> Timestamp {
    NOW.after(Duration::from_secs(seconds))
}

fn take(block: &Block, address: &str, handle: &str, now: Timestamp) -> Option<Block> {
    let attributes = Attributes { node: "n1".into(), ..Attributes::default() };
    block.taking(address.parse().unwrap(), handle, &attributes, now, REST)
}

fn free(block: &Block, now: Timestamp) -> Vec<String> {
    block.available(now, REST, |_| false).map(|address| address.to_string()).collect()
}

#[test]
fn every_ordinal_is_usable_and_the_first_freed_is_the_last_reused() {
    let mut block = block("10.0.0.64/30");
    let begin = block.sequence();
    for expected in ["10.0.0.64", "10.0.0.65", "10.0.0.66", "10.0.0.67"] {
        assert_eq!(block.next_free(NOW, REST, |_| false).unwrap().to_string(), expected);
        block = take(&block, expected, expected, NOW).unwrap();
    }
    assert_eq!(block.next_free(NOW, REST, |_| false), None);
    let (next, released) = block.releasing("10.0.0.66", NOW);
    assert_eq!(released, ["10.0.0.66".parse::<IpAddr>().unwrap()]);
    let (next, _) = next.releasing("10.0.0.64", NOW);
    assert_eq!(free(&next, later(30)), ["10.0.0.66", "10.0.0.64"]);
    assert_eq!(next.sequence(), begin + 6);
    assert_eq!(take(&next, "10.0.0.67", "other", later(30)), None);
    assert_eq!(take(&next, "10.0.0.68", "other", later(30)), None);
}

#[test]
fn an_address_rests_for_the_cooldown() {
    let block = take(&block("10.0.0.0/31"), "10.0.0.0", "a", NOW).unwrap();
    let (block, _) = block.releasing("a", later(10));
    assert_eq!(free(&block, later(39)), ["10.0.0.1"]);
    assert_eq!((block.cooling(later(39), REST), block.cools_until(later(39), REST)), (1, Some(later(40))));
    assert_eq!(block.rests_until("10.0.0.0".parse().unwrap(), later(39), REST), Some(later(40)));
    assert_eq!(take(&block, "10.0.0.0", "b", later(39)), None);
    assert_eq!(free(&block, later(40)), ["10.0.0.1", "10.0.0.0"]);
    assert_eq!(block.cooling(later(40), REST), 0);
    // No cooldown, no rest; and what has rested is forgotten at the next rewrite.
    assert_eq!(block.available(later(10), Duration::ZERO, |_| false).count(), 2);
    let json = |block: &Block| serde_json::to_string(block).unwrap();
    assert!(json(&block).contains(r#""released":"0@1700000010000""#), "{}", json(&block));
    let block = take(&block, "10.0.0.1", "c", later(40)).unwrap();
    assert!(!json(&block).contains("released"), "{}", json(&block));
}

#[test]
fn a_clock_that_is_ahead_locks_an_address_for_one_cooldown_after_a_rewrite() {
    let block = take(&block("10.0.0.0/30"), "10.0.0.0", "a", NOW).unwrap();
    let (block, _) = block.releasing("a", later(100_000));
    assert!(block.is_ahead_of(later(5)));
    assert_eq!(block.cooling(later(5), REST), 1);
    let block = block.touched(later(5));
    assert!(!block.is_ahead_of(later(5)));
    assert_eq!(block.cooling(later(34), REST), 1);
    assert_eq!(block.cooling(later(35), REST), 0);
}

#[test]
fn what_is_reserved_is_passed_over() {
    let block = block("10.0.0.0/30");
    let even = |address: IpAddr| family::to_number(address).is_multiple_of(2);
    let free: Vec<String> = block.available(NOW, REST, even).map(|a| a.to_string()).collect();
    assert_eq!(free, ["10.0.0.1", "10.0.0.3"]);
}

#[test]
fn each_taking_has_its_own_number_in_every_life_of_a_block() {
    let first = take(&block("10.0.0.0/30"), "10.0.0.0", "a", NOW).unwrap();
    let number = |block: &Block| block.allocation("10.0.0.0".parse().unwrap()).unwrap().sequence;
    let (released, allocation) = first.releasing_address("10.0.0.0".parse().unwrap(), NOW).unwrap();
    assert_eq!((allocation.handle.as_str(), allocation.sequence), ("a", number(&first)));
    assert_eq!(released.releasing_address("10.0.0.0".parse().unwrap(), NOW), None);
    let second = take(&released, "10.0.0.0", "a", later(30)).unwrap();
    assert!(number(&second) > number(&first));
    let anew = Block::new(first.cidr(), "n2", later(31)).unwrap();
    assert!(anew.sequence() > second.sequence());
}

#[test]
fn ipv6_blocks_keep_their_high_bits() {
    let block = take(&block("fd00::40/122"), "fd00::7f", "h", NOW).unwrap();
    assert_eq!(block.held_by("h").map(|a| a.to_string()).collect::<Vec<_>>(), ["fd00::7f"]);
    assert_eq!(block.size(), 64);
}

#[test]
fn records_survive_json_and_lies_are_caught() {
    let block = take(&block("10.0.0.0/30"), "10.0.0.2", "h", NOW).unwrap();
    let block = take(&block, "10.0.0.0", "g", NOW).unwrap();
    let (block, _) = block.releasing("g", NOW);
    let json = serde_json::to_string(&block).unwrap();
    assert_eq!(serde_json::from_str::<Block>(&json).unwrap(), block);
    for part in
        [r#""unallocated":"1,3,0""#, r#""released":"0@1700000000000""#, r#""claimedAt":1700000000000"#]
    {
        assert!(json.contains(part), "{json}");
    }
    for (from, to, complaint) in [
        ("1,3,0", "0-3", "but 2 is not"),
        ("1,3,0", "0-1", "but 3 is not"),
        ("1,3,0", "0-1,3,9", "but 9 is not"),
        ("0@1", "2@1", "only what is free can rest after it was given back, but 2 is not"),
        ("0@1", "8@1", "only what is free can rest after it was given back, but 8 is not"),
        ("0@1", "0-0@5,0@1", "does not say what rests"),
        ("0@1", "3-1@1", "does not say what rests"),
        ("10.0.0.0/30", "10.0.0.1/30", "must be masked"),
        ("10.0.0.0/30", "10.0.0.0/8", "at most 4096"),
        ("claimedAt", "claimed", "unknown field `claimed`"),
    ] {
        let error = serde_json::from_str::<Block>(&json.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    }
}

#[test]
fn records_from_before_there_were_numbers_and_rests_are_read() {
    let old = r#"{"cidr":"10.0.0.0/30","node":"n1","allocations":{"2":{"handle":"h","attributes":{"node":"n1"}}},
                  "unallocated":"0-1,3","sequence":7}"#;
    let block: Block = serde_json::from_str(old).unwrap();
    assert_eq!((block.claimed_at(), block.sequence(), block.cooling(NOW, REST)), (Timestamp(0), 7, 0));
    assert_eq!(block.allocation("10.0.0.2".parse().unwrap()).unwrap().sequence, 0);
    let next = take(&block, "10.0.0.0", "g", NOW).unwrap();
    assert_eq!(next.allocation("10.0.0.0".parse().unwrap()).unwrap().sequence, 8);
}

#[test]
fn neighbours_that_rest_since_the_same_moment_are_one_run() {
    let text = "0-2@5,3@6,7@5";
    assert_eq!(text.parse::<Resting>().unwrap().to_string(), text);
    assert_eq!("3@5,2@5".parse::<Resting>().unwrap().to_string(), "2-3@5");
}
