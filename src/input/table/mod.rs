//! A table of a database as an input: its rows become lines of CSV (RFC 4180) under the names of its columns.
//!
//! The rows come in the order in which the database gives them. Bounds: [`super::MAX_SPOOLED`] octets in all, and those of a value and of
//! the columns in `fetch`; what is cut is told as damage.

mod address;
#[cfg(feature = "odbc")]
mod fault;
#[cfg(feature = "odbc")]
mod fetch;

pub use address::{AddressError, TableAddress};
#[cfg(feature = "odbc")]
pub use fault::TableFault;

use super::{Input, InputError};

impl Input {
    /// Fetches a table.
    ///
    /// # Errors
    /// When the database cannot be reached, has no such table, or does not let us read it.
    #[cfg(feature = "odbc")]
    pub fn open_table(address: &TableAddress) -> Result<Self, InputError> {
        let mut damage = crate::model::DamageLog::default();
        let bytes = fetch::fetch(address, &mut damage)?;
        Ok(Self {
            name: address.to_string(),
            bytes,
            packings: Vec::new(),
            damage,
            modified: None,
        })
    }

    /// Fetches a table.
    ///
    /// # Errors
    /// Always: it takes unixODBC, and this build is without it.
    #[cfg(not(feature = "odbc"))]
    pub fn open_table(address: &TableAddress) -> Result<Self, InputError> {
        Err(InputError::NoTables {
            address: address.clone(),
        })
    }
}
