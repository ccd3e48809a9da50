//! What clients were told, and whether all of it can be true: the reference, which knows nothing of how addresses are
//! assigned.
//!
//! A client surely holds an address from the moment at which it was told so to the moment at which it first asks to
//! release it. What it may hold before and after that counts for nobody, so that what is found wrong is wrong, whatever
//! the machine's load. All moments are of one monotonic clock.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An address that somebody was told to have.
#[derive(Debug, Clone)]
pub struct Hold {
    pub handle: String,
    pub address: IpAddr,
    /// When that was told.
    pub assigned: Instant,
    /// When it was first asked to be released.
    pub given_up: Option<Instant>,
}

/// Everything that was told.
#[derive(Debug, Default)]
pub struct History(Mutex<Vec<Hold>>);

impl History {
    /// A handle was told to have these.
    pub fn assigned(&self, handle: &str, addresses: &[IpAddr]) {
        let assigned = Instant::now();
        let hold = |address: &IpAddr| Hold {
            handle: handle.to_owned(),
            address: *address,
            assigned,
            given_up: None,
        };
        self.lock().extend(addresses.iter().map(hold));
    }

    /// A handle is about to be released.
    pub fn gives_up(&self, handle: &str) {
        let now = Instant::now();
        for hold in self.lock().iter_mut().filter(|hold| hold.handle == handle) {
            hold.given_up.get_or_insert(now);
        }
    }

    /// All of it.
    pub fn holds(&self) -> Vec<Hold> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Hold>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What cannot be true: an address with two holders, or given out again before it has rested for `rest`.
pub fn problems(holds: &[Hold], rest: Duration) -> Vec<String> {
    let mut by_address: BTreeMap<IpAddr, Vec<&Hold>> = BTreeMap::new();
    for hold in holds {
        by_address.entry(hold.address).or_default().push(hold);
    }
    let mut problems = Vec::new();
    for (address, mut holds) in by_address {
        holds.sort_by_key(|hold| hold.assigned);
        for (index, later) in holds.iter().enumerate() {
            for earlier in &holds[..index] {
                problems.extend(clash(earlier, later, rest).map(|what| format!("{address}: {what}")));
            }
        }
    }
    problems
}

fn clash(earlier: &Hold, later: &Hold, rest: Duration) -> Option<String> {
    let (one, other) = (&earlier.handle, &later.handle);
    match earlier.given_up {
        Some(given_up) if later.assigned < given_up => Some(format!("held by {one} and {other} at once")),
        // Released after that, assigned before this: it rested for less than what is between.
        Some(given_up) if later.assigned - given_up < rest => Some(format!(
            "of {one} rested for less than {:?} before {other} had it",
            later.assigned - given_up
        )),
        Some(_) => None,
        None => Some(format!("still held by {one} and given to {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(2);

    fn hold(handle: &str, start: Instant, from: u64, to: Option<u64>) -> Hold {
        let at = |seconds| start + Duration::from_secs(seconds);
        let address = "10.0.0.1".parse().unwrap();
        Hold { handle: handle.to_owned(), address, assigned: at(from), given_up: to.map(at) }
    }

    #[test]
    fn one_after_the_other_is_fine() {
        let start = Instant::now();
        let holds = [hold("c", start, 14, None), hold("a", start, 1, Some(5)), hold("b", start, 7, Some(10))];
        assert_eq!(problems(&holds, REST), Vec::<String>::new());
    }

    #[test]
    fn two_at_once_and_too_soon_are_found() {
        let start = Instant::now();
        let b = hold("b", start, 6, None);
        let at_once = [hold("a", start, 1, Some(7)), b.clone()];
        assert_eq!(problems(&at_once, REST), ["10.0.0.1: held by a and b at once"]);
        let never_given_up = [hold("a", start, 1, None), b.clone()];
        assert_eq!(problems(&never_given_up, REST), ["10.0.0.1: still held by a and given to b"]);
        let too_soon = [hold("a", start, 1, Some(5)), b];
        assert_eq!(problems(&too_soon, REST), ["10.0.0.1: of a rested for less than 1s before b had it"]);
    }

    #[test]
    fn a_history_keeps_the_first_moment_of_giving_up() {
        let history = History::default();
        history.assigned("a", &["10.0.0.1".parse().unwrap()]);
        history.gives_up("a");
        let first = history.holds()[0].given_up.unwrap();
        history.gives_up("a");
        assert_eq!(history.holds()[0].given_up, Some(first));
    }
}
