//! What must hold for the changes of the lease, in their order.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

/// One change of the lease: a commit, or that somebody took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Who made it, as the database knows.
    writer: String,
    before: State,
    after: State,
}

/// What the lease has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    token: i64,
    /// The number of the last commit.
    position: i64,
}

/// What the list of those who took the lease has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Takeover(State);

impl Change {
    /// The user, and token and position before and after, with spaces between them.
    pub(super) fn read(line: &str) -> Result<Self> {
        let (writer, numbers) = line.split_once(' ').context("no writer")?;
        let [before_token, before_position, token, position] = read(numbers)?;
        Ok(Self {
            writer: writer.to_owned(),
            before: State { token: before_token, position: before_position },
            after: State { token, position },
        })
    }

    /// Whether the lease was taken.
    pub(super) fn is_taking(&self) -> bool {
        self.before.token != self.after.token
    }
}

impl Takeover {
    /// Token and position.
    pub(super) fn read(line: &str) -> Result<Self> {
        let [token, position] = read(line)?;
        Ok(Self(State { token, position }))
    }
}

fn read<const N: usize>(line: &str) -> Result<[i64; N]> {
    let numbers = line.split(' ').map(str::parse).collect::<Result<Vec<_>, _>>()?;
    ensure!(numbers.len() == N, "{line} has not {N} numbers");
    numbers.try_into().ok().context("not so many numbers")
}

/// What is wrong with these changes, which are all that there were, and with the list.
pub(super) fn wrong(changes: &[Change], takeovers: &[Takeover]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut holders = BTreeMap::new();
    for [before, change] in changes.array_windows() {
        if before.after != change.before {
            wrong.push(format!("the lease has changed unseen: {before:?}, {change:?}"));
        }
    }
    for change in changes {
        let Change { writer, before, after } = change;
        let is_right = match change.is_taking() {
            // It begins at the last commit of the one before.
            true => after.token > before.token && after.position == before.position,
            false => after.position == before.position + 1,
        };
        // Who had it before the first change is not known.
        let holder = holders.entry(after.token).or_insert(writer);
        if !is_right || *holder != writer {
            wrong.push(format!("{change:?}, of a lease that {holder} has"));
        }
        if change.is_taking() && !takeovers.contains(&Takeover(*after)) {
            wrong.push(format!("not in the list: {change:?}"));
        }
    }
    let grows = |pair: &[Takeover; 2]| {
        pair[0].0.token < pair[1].0.token && pair[0].0.position <= pair[1].0.position
    };
    let shrinking = takeovers.array_windows().filter(|pair| !grows(pair));
    wrong.extend(shrinking.map(|pair| format!("the list goes back: {pair:?}")));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(changes: &[&str], takeovers: &[&str]) -> usize {
        let changes: Vec<_> = changes.iter().map(|line| Change::read(line).unwrap()).collect();
        let takeovers: Vec<_> =
            takeovers.iter().map(|line| Takeover::read(line).unwrap()).collect();
        wrong(&changes, &takeovers).len()
    }

    #[test]
    fn commits_and_takings_in_order_are_right() {
        let changes = ["a 5 1 5 2", "a 5 2 5 3", "b 5 3 9 3", "b 9 3 9 4", "a 9 4 10 4"];
        assert_eq!(found(&changes, &["5 0", "9 3", "10 4"]), 0);
    }

    #[test]
    fn a_commit_of_one_who_does_not_have_the_lease_is_found() {
        assert_eq!(found(&["a 5 1 5 2", "b 5 2 9 2", "a 9 2 9 3"], &["5 0", "9 2"]), 1);
    }

    #[test]
    fn what_goes_back_or_is_left_out_is_found() {
        assert_eq!(found(&["a 5 1 5 2", "b 5 2 4 2"], &["5 0", "4 2"]), 2);
        assert_eq!(found(&["a 5 1 5 2", "a 5 1 5 2"], &["5 0"]), 1);
        assert_eq!(found(&["a 5 1 5 3"], &["5 0"]), 1);
        assert_eq!(found(&["a 5 2 9 1"], &["5 0", "9 1"]), 1);
        assert_eq!(found(&["a 5 1 9 1"], &["5 0"]), 1);
    }
}
