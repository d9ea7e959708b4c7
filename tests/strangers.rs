//! What somebody without credentials can take from those who have some, and one tenant from another: nothing.

mod bodies;
mod connections;
mod heads;
mod proxies;
