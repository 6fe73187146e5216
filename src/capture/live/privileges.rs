//! Privileges are given up once what they are for is done.

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User, initgroups, setgid, setgroups, setuid};

/// Why privileges could not be given up; the program must not go on with them.
#[derive(Debug, thiserror::Error)]
pub enum DropError {
    /// Only root can become another user.
    #[error("cannot become '{user}': only root can\nleave -Z out: there is nothing to give up")]
    NotRoot {
        /// As given.
        user: String,
    },
    /// No such user.
    #[error("cannot become '{user}': there is no such user")]
    NoSuch {
        /// As given.
        user: String,
    },
    /// Root is who has the privileges.
    #[error("cannot give up privileges by becoming '{user}', who is root")]
    IsRoot {
        /// As given.
        user: String,
    },
    /// The system refused.
    #[error("cannot become '{user}': {source}")]
    Refused {
        /// As given.
        user: String,
        /// What it said.
        source: Errno,
    },
    /// The old privileges could be had again.
    #[error("privileges could be had again after becoming '{user}'; nothing is read with them")]
    Regained {
        /// As given.
        user: String,
    },
}

/// Becomes `user` with that user's groups, for all threads and for good, and makes sure that there is no way back.
///
/// # Errors
/// When that cannot be done. The process may then have lost some privileges and not others; it is not to go on.
pub fn drop_to(user: &str) -> Result<(), DropError> {
    let named = |error: fn(String) -> DropError| error(user.to_owned());
    let refused = |source| DropError::Refused {
        user: user.to_owned(),
        source,
    };
    let found = User::from_name(user).map_err(refused)?;
    let found = found.ok_or_else(|| named(|user| DropError::NoSuch { user }))?;
    if found.uid.is_root() {
        return Err(named(|user| DropError::IsRoot { user }));
    }
    if !Uid::effective().is_root() {
        return Err(named(|user| DropError::NotRoot { user }));
    }
    let name = std::ffi::CString::new(found.name.as_str())
        .map_err(|_| named(|user| DropError::NoSuch { user }))?;
    // Groups first: without root they cannot be changed any more.
    initgroups(&name, found.gid).map_err(refused)?;
    setgid(found.gid).map_err(refused)?;
    setuid(found.uid).map_err(refused)?;
    let back = setuid(Uid::from_raw(0)).is_ok()
        || found.gid.as_raw() != 0 && setgid(Gid::from_raw(0)).is_ok()
        || setgroups(&[Gid::from_raw(0)]).is_ok();
    let is_user = Uid::current() == found.uid && Uid::effective() == found.uid;
    if back || !is_user {
        return Err(named(|user| DropError::Regained { user }));
    }
    Ok(())
}
