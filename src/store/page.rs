//! Pages of lists.

/// Which page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Page<Id> {
    /// Only items after this id in the list's order.
    pub after: Option<Id>,
    pub limit: usize,
}
