//! The list of capture formats: one row each.
