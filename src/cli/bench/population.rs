//! The people and the controllers that events are about: how many there are, and how uneven their traffic is.

use rand::RngExt as _;
use rand::rngs::SmallRng;

pub(super) const MOST_CONTROLLERS: u32 = 1_000_000;
pub(super) const MOST_SUBJECTS: u32 = 100_000_000;

/// People of several controllers. Person `n` belongs to controller `n % controllers`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Population {
    controllers: u64,
    subjects: u64,
    by_controller: Zipf,
    by_person: Zipf,
}

/// A person of a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) controller: usize,
    pub(super) number: u64,
}

impl Population {
    /// Takes the numbers of controllers and of people in all, and the exponent of the skew; 0: all are equal. Every
    /// controller has at least one person.
    pub(super) fn new(controllers: usize, subjects: u64, exponent: f64) -> Self {
        let controllers = (controllers as u64).max(1);
        let subjects = subjects.max(controllers);
        Self {
            controllers,
            subjects,
            by_controller: Zipf::new(controllers, exponent),
            by_person: Zipf::new(subjects / controllers, exponent),
        }
    }

    pub(super) const fn controllers(&self) -> u64 {
        self.controllers
    }

    pub(super) const fn subjects(&self) -> u64 {
        self.subjects
    }

    /// Returns a person drawn at random.
    pub(super) fn draw(&self, chance: &mut SmallRng) -> Person {
        let controller = self.by_controller.sample(chance) - 1;
        let person = self.by_person.sample(chance) - 1;
        self.person(person * self.controllers + controller)
    }

    /// Returns the person with a number below [`Self::subjects`].
    pub(super) fn person(&self, number: u64) -> Person {
        Person {
            controller: usize::try_from(number % self.controllers).unwrap_or(0),
            number,
        }
    }
}

/// Ranks from 1 to a highest one. Rank `k` is drawn in proportion to `1 / k^exponent`.
///
/// It is the rejection-inversion of Hörmann and Derflinger (1996): constant time and memory for any number of ranks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Zipf {
    ranks: u64,
    exponent: f64,
    /// The integral at the first rank and behind the last one.
    bounds: (f64, f64),
    /// A draw that is no further below its rank is accepted at once.
    squeeze: f64,
}

impl Zipf {
    pub(super) fn new(ranks: u64, exponent: f64) -> Self {
        let ranks = ranks.max(1);
        let mut zipf = Self {
            ranks,
            exponent,
            bounds: (0.0, 0.0),
            squeeze: 0.0,
        };
        zipf.bounds = (zipf.integral(1.5) - 1.0, zipf.integral(float(ranks) + 0.5));
        zipf.squeeze = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    /// Returns a rank drawn at random.
    pub(super) fn sample(&self, chance: &mut SmallRng) -> u64 {
        if self.exponent == 0.0 {
            return chance.random_range(1..=self.ranks);
        }
        let (first, last) = self.bounds;
        loop {
            let drawn = last + chance.random::<f64>() * (first - last);
            let place = self.inverse(drawn);
            let rank = place.round().clamp(1.0, float(self.ranks));
            if rank - place <= self.squeeze || drawn >= self.integral(rank + 0.5) - self.weight(rank) {
                return whole(rank);
            }
        }
    }

    fn weight(&self, x: f64) -> f64 {
        (-self.exponent * x.ln()).exp()
    }

    /// Returns the integral of the weight up to `x`.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        let scaled = (1.0 - self.exponent) * log;
        let factor = if scaled.abs() > 1e-8 {
            scaled.exp_m1() / scaled
        } else {
            1.0 + scaled / 2.0
        };
        factor * log
    }

    fn inverse(&self, area: f64) -> f64 {
        let scaled = (area * (1.0 - self.exponent)).max(-1.0);
        let factor = if scaled.abs() > 1e-8 {
            scaled.ln_1p() / scaled
        } else {
            1.0 - scaled / 2.0
        };
        (factor * area).exp()
    }
}

#[allow(clippy::cast_precision_loss)] // Counts are far below 2^53.
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // The cast saturates.
pub(super) fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn counts(ranks: u64, exponent: f64, draws: u32) -> Vec<f64> {
        let zipf = Zipf::new(ranks, exponent);
        let mut chance = SmallRng::seed_from_u64(7);
        let mut counts = vec![0.0; usize::try_from(ranks).unwrap()];
        for _ in 0..draws {
            let rank = zipf.sample(&mut chance);
            assert!((1..=ranks).contains(&rank));
            counts[usize::try_from(rank - 1).unwrap()] += 1.0;
        }
        counts
    }

    #[test]
    fn a_rank_is_drawn_in_proportion_to_its_weight() {
        let draws = 200_000;
        for exponent in [0.0, 0.5, 0.99, 1.0, 1.5, 2.0] {
            let weights: Vec<f64> = (1..=50).map(|rank| f64::from(rank).powf(-exponent)).collect();
            let sum: f64 = weights.iter().sum();
            for (count, weight) in counts(50, exponent, draws).iter().zip(&weights) {
                let expected = f64::from(draws) * weight / sum;
                // Six standard deviations of a Poisson count.
                let allowed = 6.0 * expected.sqrt() + 1.0;
                assert!(
                    (count - expected).abs() < allowed,
                    "{exponent}: {count}, not {expected}"
                );
            }
        }
    }

    #[test]
    fn one_seed_draws_the_same_people_again() {
        let population = Population::new(10, 1_000_000, 1.1);
        let draw = |seed| {
            let mut chance = SmallRng::seed_from_u64(seed);
            (0..100).map(|_| population.draw(&mut chance)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn every_controller_has_its_own_people() {
        let population = Population::new(7, 700, 0.0);
        let mut chance = SmallRng::seed_from_u64(1);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..20_000 {
            let person = population.draw(&mut chance);
            assert!(person.number < 700 && person.number % 7 == person.controller as u64);
            seen.insert(person.number);
        }
        assert_eq!(seen.len(), 700, "all of them have events");
        assert_eq!(Population::new(5, 1, 1.0).subjects(), 5, "each controller has a person");
        assert_eq!(Zipf::new(1, 1.2).sample(&mut chance), 1);
    }

    #[test]
    fn many_ranks_take_no_memory_and_stay_in_bounds() {
        let zipf = Zipf::new(1_000_000_000, 1.0);
        let mut chance = SmallRng::seed_from_u64(3);
        let draws: Vec<u64> = (0..10_000).map(|_| zipf.sample(&mut chance)).collect();
        let first = draws.iter().filter(|rank| **rank == 1).count();
        // The first of 10^9 has 1 / (ln 10^9 + 0.577), 4.7 %.
        assert!((350..600).contains(&first), "{first}");
        assert!(draws.iter().any(|rank| *rank > 1_000_000));
    }
}
