//! Which interfaces there are.

use std::net::IpAddr;

use super::LiveError;

/// An interface that may be listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name, as `-i` takes it.
    pub name: String,
    /// What libpcap says it is.
    pub about: Option<String>,
    /// State in words: up, running, loopback, wireless.
    pub state: Vec<&'static str>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// All interfaces that libpcap knows, in its order.
///
/// # Errors
/// When the system does not tell.
pub fn devices() -> Result<Vec<Device>, LiveError> {
    let listed = pcap::Device::list().map_err(|source| LiveError::Refused {
        interface: "any".into(),
        source,
        missing_right: false,
    })?;
    let devices = listed.into_iter().map(|device| {
        let flags = &device.flags;
        let words = [
            (flags.is_up(), "up"),
            (flags.is_running(), "running"),
            (flags.is_loopback(), "loopback"),
            (flags.is_wireless(), "wireless"),
        ];
        Device {
            state: words
                .iter()
                .filter(|(holds, _)| *holds)
                .map(|&(_, word)| word)
                .collect(),
            addresses: device
                .addresses
                .iter()
                .map(|address| address.addr)
                .collect(),
            name: device.name,
            about: device.desc,
        }
    });
    Ok(devices.collect())
}
