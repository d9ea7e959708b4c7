//! Pages of lists.

/// Which page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Page<Id> {
    /// Only what comes behind this id in the list's order.
    pub after: Option<Id>,
    pub limit: usize,
}
