//! How many addresses, without keeping one.
//!
//! The sketch is our own code. Its bytes are a column of the database, so they must not change with a crate's version, and
//! few addresses are to be counted exactly.

use std::cmp::Ordering;

/// Up to here, addresses are counted exactly.
const EXACT: usize = 32;

/// Registers beyond that: a standard error of 1.04 / √256, 6.5 %.
const REGISTERS: usize = 256;

/// The first byte of a stored sketch with few addresses.
const FEW: u8 = 0;
const MANY: u8 = 1;

/// Counts distinct addresses by their keyed hashes: up to 32 exactly, beyond by HyperLogLog (P. Flajolet et al., 2007, with
/// 64-bit hashes), to about 7 %. Sketches of the same thing merge, in any order and as often as one likes. At most 257 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressSketch(Representation);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Representation {
    /// The hashes, sorted.
    Few(Vec<u64>),
    /// For each value of a hash's first byte, the longest run of zeros behind it, and one.
    Many(Box<[u8; REGISTERS]>),
}

impl Default for AddressSketch {
    fn default() -> Self {
        Self(Representation::Few(Vec::new()))
    }
}

impl AddressSketch {
    /// Counts an address, by its keyed hash.
    pub fn insert(&mut self, hash: u64) {
        match &mut self.0 {
            Representation::Few(hashes) => {
                if let Err(place) = hashes.binary_search(&hash) {
                    hashes.insert(place, hash);
                    if hashes.len() > EXACT {
                        self.0 = Representation::Many(spread(hashes));
                    }
                }
            }
            Representation::Many(registers) => note(registers, hash),
        }
    }

    /// Counts what the other one has counted.
    pub fn merge(&mut self, other: &Self) {
        match &other.0 {
            Representation::Few(hashes) => hashes.iter().for_each(|hash| self.insert(*hash)),
            Representation::Many(theirs) => {
                let mut own = match std::mem::take(self).0 {
                    Representation::Few(hashes) => spread(&hashes),
                    Representation::Many(registers) => registers,
                };
                own.iter_mut()
                    .zip(theirs.iter())
                    .for_each(|(own, other)| *own = (*own).max(*other));
                self.0 = Representation::Many(own);
            }
        }
    }

    /// Returns the approximate number of addresses.
    #[must_use]
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    pub fn count(&self) -> u64 {
        let registers = match &self.0 {
            Representation::Few(hashes) => return hashes.len() as u64,
            Representation::Many(registers) => registers,
        };
        let m = REGISTERS as f64;
        let sum: f64 = registers.iter().map(|rank| 0.5f64.powi(i32::from(*rank))).sum();
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        let empty = registers.iter().filter(|rank| **rank == 0).count();
        // Few addresses for so many registers: the empty registers say more.
        let estimate = match empty.cmp(&0) {
            Ordering::Greater if raw <= 2.5 * m => m * (m / empty as f64).ln(),
            _ => raw,
        };
        estimate.round() as u64
    }

    /// Returns the stored form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Representation::Few(hashes) => {
                let bytes = hashes.iter().flat_map(|hash| hash.to_be_bytes());
                std::iter::once(FEW).chain(bytes).collect()
            }
            Representation::Many(registers) => std::iter::once(MANY).chain(registers.iter().copied()).collect(),
        }
    }

    /// Reads one that was stored; none if it is not one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&FEW, hashes) => {
                let (hashes, rest) = hashes.as_chunks::<8>();
                let mut sketch = Self::default();
                hashes.iter().for_each(|hash| sketch.insert(u64::from_be_bytes(*hash)));
                rest.is_empty().then_some(sketch)
            }
            (&MANY, registers) => Some(Self(Representation::Many(Box::new(registers.try_into().ok()?)))),
            _ => None,
        }
    }
}

/// Hashes as registers.
fn spread(hashes: &[u64]) -> Box<[u8; REGISTERS]> {
    let mut registers = Box::new([0; REGISTERS]);
    hashes.iter().for_each(|hash| note(&mut registers, *hash));
    registers
}

fn note(registers: &mut [u8; REGISTERS], hash: u64) {
    let [register, ..] = hash.to_be_bytes();
    // The rest has 56 bits, so the rank is at most 57.
    let rank = ((hash << 8).leading_zeros().min(56) + 1) as u8;
    let kept = &mut registers[usize::from(register)];
    *kept = (*kept).max(rank);
}

#[cfg(test)]
mod tests {
    use sha3::{Digest as _, Sha3_256};

    use super::*;

    /// Hashes as they come: all of them different.
    fn hashes(range: std::ops::Range<u32>) -> impl Iterator<Item = u64> {
        range.map(|number| {
            let digest = Sha3_256::digest(number.to_be_bytes());
            u64::from_be_bytes(*digest.first_chunk().unwrap())
        })
    }

    fn sketch(range: std::ops::Range<u32>) -> AddressSketch {
        let mut sketch = AddressSketch::default();
        hashes(range).for_each(|hash| sketch.insert(hash));
        sketch
    }

    #[test]
    fn few_are_counted_exactly_and_many_to_some_percent() {
        for count in 0..=32 {
            assert_eq!(sketch(0..count).count(), u64::from(count));
        }
        for count in [33, 100, 500, 1_000, 10_000, 200_000] {
            let (found, true_count) = (sketch(0..count).count() as f64, f64::from(count));
            let error = (found - true_count).abs() / true_count;
            assert!(error < 0.2, "{count}: {found}");
        }
    }

    #[test]
    fn sketches_merge_in_any_order_and_read_back() {
        for (one, other) in [(0..5, 3..9), (0..30, 20..60), (0..500, 10..12), (0..300, 200..900)] {
            let all = sketch(one.start.min(other.start)..one.end.max(other.end));
            let (one, other) = (sketch(one), sketch(other));
            let (mut left, mut right) = (one.clone(), other.clone());
            left.merge(&other);
            right.merge(&one);
            assert_eq!((&left, &right), (&all, &all));
            left.merge(&other);
            assert_eq!(left, all, "twice counts once");
            assert_eq!(AddressSketch::from_bytes(&left.to_bytes()), Some(left));
        }
        for broken in [&[][..], &[0, 1], &[1, 2, 3], &[9]] {
            assert_eq!(AddressSketch::from_bytes(broken), None);
        }
    }
}
