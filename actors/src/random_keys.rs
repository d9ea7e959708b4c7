//! Maps whose keys nobody outside can choose.
//!
//! The standard library's hasher is keyed, so that strangers cannot choose keys that collide and make a map slow. It took
//! 7 % of the instructions of an event. Ids come from our own generator. Links and dedup keys are HMACs under keys that
//! strangers do not have. Nobody can choose them, so maps of them use a faster hasher.
//!
//! All other maps keep the standard library's hasher: their keys are DIDs, addresses, names or other texts of requests.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

/// A map from ids, links or dedup keys, or from tuples of them.
pub type RandomKeyMap<K, V> = HashMap<K, V, RandomState>;

/// A set of ids, links or dedup keys, or of tuples of them.
pub type RandomKeySet<K> = HashSet<K, RandomState>;
