//! One value for each outcome.

use std::ops::AddAssign;

use crate::event::Status;

/// One value for each outcome that an event can end in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerOutcome<T> {
    /// Of processed events.
    pub processed: T,
    /// Of repeats.
    pub duplicate: T,
    /// Of rejected events.
    pub rejected: T,
    /// Of dead letters.
    pub failed: T,
}

impl<T> PerOutcome<T> {
    /// Returns the value of a status. Returns `None` for the status of an event without an outcome.
    pub const fn get_mut(&mut self, status: Status) -> Option<&mut T> {
        match status {
            Status::Received => None,
            Status::Processed => Some(&mut self.processed),
            Status::Duplicate => Some(&mut self.duplicate),
            Status::Rejected => Some(&mut self.rejected),
            Status::Failed => Some(&mut self.failed),
        }
    }

    /// Returns the values in the order of [`Status::OUTCOMES`].
    pub fn into_array(self) -> [T; 4] {
        [self.processed, self.duplicate, self.rejected, self.failed]
    }

    /// Returns each status with its value, in the order of [`Status::OUTCOMES`].
    pub fn into_pairs(self) -> impl Iterator<Item = (Status, T)> {
        Status::OUTCOMES.into_iter().zip(self.into_array())
    }
}

impl<T: AddAssign> AddAssign for PerOutcome<T> {
    fn add_assign(&mut self, more: Self) {
        self.processed += more.processed;
        self.duplicate += more.duplicate;
        self.rejected += more.rejected;
        self.failed += more.failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_own_value() {
        let mut counts = PerOutcome::<u32>::default();
        assert_eq!(counts.get_mut(Status::Received), None);
        for (number, status) in (1..).zip(Status::OUTCOMES) {
            *counts.get_mut(status).unwrap() += number;
        }
        counts += counts;
        assert_eq!(counts.into_array(), [2, 4, 6, 8]);
        let pairs: Vec<_> = counts.into_pairs().collect();
        assert_eq!(pairs[2], (Status::Rejected, 6));
    }
}
