//! Between whom the budgets are shared.

use std::net::IpAddr;

/// Who asks: each gets an equal share while several ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Client {
    /// The process itself, or a caller who is the only one.
    #[default]
    Own,
    /// The holder of one of several tokens, by its position.
    Token(u32),
    /// An address: of version 4, or the first 64 bits of one of version 6, which is what a site gets.
    Address(IpAddr),
    /// One of the objects of an event, by a number: the event does not say who put it there.
    Object(u64),
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
            version_4 @ IpAddr::V4(_) => version_4,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_one_client() {
        let client = |text: &str| Client::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(client("2001:db8:0:1::2"), client("2001:db8:0:1:ffff::9"));
        assert_ne!(client("2001:db8:0:1::2"), client("2001:db8:0:2::2"));
        assert_eq!(client("::ffff:192.0.2.7"), client("192.0.2.7"));
        assert_ne!(client("192.0.2.7"), client("192.0.2.8"));
    }
}
