//! Which client sent a request, behind reverse proxies too.

use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderMap;
use http::header::FORWARDED;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Networks of reverse proxies whose word about their clients is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies(Vec<Network>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

/// What is not a network.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address or network; expected such as 10.0.0.7,192.168.0.0/16,fd00::/8")]
pub struct NotANetwork(String);

impl FromStr for Proxies {
    type Err = NotANetwork;

    fn from_str(list: &str) -> Result<Self, NotANetwork> {
        let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let refused = || NotANetwork(text.to_owned());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), str::parse).map_err(|_| refused())?;
        if prefix > most { Err(refused()) } else { Ok(Self { address, prefix }) }
    }
}

impl Network {
    fn has(&self, address: IpAddr) -> bool {
        let (own, other, bits) = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (u128::from(own.to_bits()) << 96, u128::from(other.to_bits()) << 96, 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        let differ = own ^ other;
        differ.leading_zeros() >= self.prefix.min(bits)
    }
}

impl Proxies {
    /// Whether `address` is a proxy's.
    pub fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.has(address.to_canonical()))
    }

    /// Whose request it is that came from `peer`: the last address on its way that is not a proxy's.
    /// Anybody can write the headers, so only what a trusted proxy has added counts.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if self.0.is_empty() || !self.trust(peer) {
            return peer;
        }
        let forwarded: Vec<_> = headers.get_all(FORWARDED).iter().collect();
        let name = if forwarded.is_empty() { X_FORWARDED_FOR } else { FORWARDED.as_str() };
        let all = headers.get_all(name);
        let texts: Vec<&str> = all.iter().filter_map(|value| value.to_str().ok()).collect();
        let mut last = peer;
        for hop in texts.iter().rev().flat_map(|text| text.rsplit(',')) {
            let hop = if forwarded.is_empty() { Some(hop) } else { forwarded_for(hop) };
            // A name that says nothing: the proxy that added it is the client then.
            let Some(address) = hop.and_then(address) else { break };
            last = address;
            if !self.trust(address) {
                break;
            }
        }
        last
    }
}

/// RFC 7239, 4: parameters in any order, names in any case.
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value)
    })
}

/// An address in quotes or brackets, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None if text.matches(':').count() == 1 => text.split_once(':')?.0,
        None => text,
    };
    bare.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn client(proxies: &str, peer: &str, lines: &[(&str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let proxies: Proxies = proxies.parse().unwrap();
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_forged_header_changes_nothing() {
        let forged = [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.8")];
        assert_eq!(client("", "198.51.100.1", &forged), "198.51.100.1");
        assert_eq!(client("10.0.0.0/8", "198.51.100.1", &forged), "198.51.100.1");
    }

    #[test]
    fn the_last_address_that_is_no_proxy_counts() {
        let of = |value| client("10.0.0.0/8,::1", "10.1.2.3", &[("x-forwarded-for", value)]);
        assert_eq!(of("203.0.113.9"), "203.0.113.9");
        assert_eq!(of("1.1.1.1, 203.0.113.9, 10.9.9.9"), "203.0.113.9");
        assert_eq!(of("203.0.113.9, unknown"), "10.1.2.3");
        assert_eq!(of("2001:db8::7"), "2001:db8::7");
    }

    #[test]
    fn forwarded_is_read_with_its_quotes_and_ports() {
        let of = |value| client("10.0.0.0/8", "10.1.2.3", &[("forwarded", value)]);
        assert_eq!(of("for=192.0.2.43"), "192.0.2.43");
        assert_eq!(of("proto=https;For=\"[2001:db8:cafe::17]:4711\""), "2001:db8:cafe::17");
        assert_eq!(of("for=1.1.1.1, for=192.0.2.60:80;by=203.0.113.43"), "192.0.2.60");
        assert_eq!(of("for=_hidden"), "10.1.2.3");
    }

    #[test]
    fn what_is_not_a_network_is_refused() {
        for text in ["proxy", "10.0.0.0/33", "10.0.0/8", "::1/129"] {
            assert!(text.parse::<Proxies>().is_err(), "{text}");
        }
        assert!("0.0.0.0/0".parse::<Proxies>().unwrap().trust("1.2.3.4".parse().unwrap()));
    }
}
