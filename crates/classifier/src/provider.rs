//! Execution providers in ONNX Runtime's plugin form: a library that runs graphs in place of the CPU
//! provider, on a device that it offers.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use ort::AsPointer as _;
use ort::device::Device;
use ort::environment::Environment;
use ort::memory::DeviceType;
use parking_lot::Mutex;

use crate::error::ProviderError;

/// The provider that is always there.
pub const CPU_PROVIDER: &str = "cpu";

/// ONNX Runtime's own name of it.
const BUILT_IN: &str = "CPUExecutionProvider";

/// `ort` copies a provider's own name into a buffer of 128 bytes.
const LONGEST_NAME: usize = 120;

/// What each registered name stands for: ONNX Runtime registers a library once per process.
static REGISTERED: Mutex<BTreeMap<String, Registered>> = Mutex::new(BTreeMap::new());

/// A provider, as the operator names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderConfig {
    /// Its name in logs, metrics and `GET /model`, such as `openvino`.
    pub name: String,
    /// Its library. Code of it runs in this process.
    pub library: PathBuf,
    /// The kind of device; without it, the first one that the provider offers.
    pub device: Option<DeviceKind>,
    /// Options of the provider, keys and values.
    pub options: Vec<(String, String)>,
}

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor.
    Cpu,
    /// A graphics processor.
    Gpu,
    /// A processor for neural networks.
    Npu,
}

/// `NAME=PATH` or a kind of device could not be read; the text says what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct InvalidProvider(&'static str);

/// A provider whose library is registered, and one device of it.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    config: ProviderConfig,
    /// ONNX Runtime's name of it.
    full_name: String,
}

struct Registered {
    library: PathBuf,
    /// ONNX Runtime's name of it; nothing where it offers no device.
    full_name: Option<String>,
}

impl FromStr for DeviceKind {
    type Err = InvalidProvider;

    fn from_str(text: &str) -> Result<Self, InvalidProvider> {
        let kinds = [Self::Cpu, Self::Gpu, Self::Npu];
        let named = kinds.into_iter().find(|kind| kind.to_string().eq_ignore_ascii_case(text));
        named.ok_or(InvalidProvider("CPU, GPU or NPU"))
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Cpu => "CPU",
            Self::Gpu => "GPU",
            Self::Npu => "NPU",
        })
    }
}

impl DeviceKind {
    fn of(device: &Device<'_>) -> Option<Self> {
        match device.hardware_device().ty() {
            DeviceType::CPU => Some(Self::Cpu),
            DeviceType::GPU => Some(Self::Gpu),
            DeviceType::NPU => Some(Self::Npu),
            _ => None,
        }
    }
}

impl FromStr for ProviderConfig {
    type Err = InvalidProvider;

    /// `NAME=PATH`, with the first device and no options.
    fn from_str(text: &str) -> Result<Self, InvalidProvider> {
        const FORM: InvalidProvider = InvalidProvider(
            "NAME=PATH: a name of small letters, digits and dashes, other than cpu, and the library",
        );
        let (name, library) = text.split_once('=').ok_or(FORM)?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let named = (1..=32).contains(&name.len()) && name.bytes().all(plain);
        if !named || name == CPU_PROVIDER || library.is_empty() {
            return Err(FORM);
        }
        let (name, library) = (name.to_owned(), library.into());
        Ok(Self { name, library, device: None, options: Vec::new() })
    }
}

impl Provider {
    /// Register the library, unless it is, and look for the device.
    pub(crate) fn register(
        environment: &Environment,
        config: &ProviderConfig,
    ) -> Result<Self, ProviderError> {
        let library = config.library.canonicalize();
        let library = library
            .map_err(|source| ProviderError::Absent { path: config.library.clone(), source })?;
        let mut registered = REGISTERED.lock();
        let full_name = match registered.get(&config.name) {
            Some(known) if known.library == library => known.full_name.clone(),
            Some(known) => {
                let (name, path) = (config.name.clone(), known.library.clone());
                return Err(ProviderError::Taken { name, path });
            }
            None => {
                let full_name = load(environment, &config.name, &library)?;
                let entry = Registered { library, full_name: full_name.clone() };
                registered.insert(config.name.clone(), entry);
                full_name
            }
        };
        let provider = Self { config: config.clone(), full_name: full_name.unwrap_or_default() };
        match provider.device(environment) {
            Some(_) => Ok(provider),
            None => Err(provider.no_device(environment)),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// The first device of the wanted kind.
    pub(crate) fn device<'e>(&self, environment: &'e Environment) -> Option<Device<'e>> {
        self.devices(environment)
            .find(|(kind, _)| self.config.device.is_none_or(|wanted| *kind == Some(wanted)))
            .map(|(_, device)| device)
    }

    /// As ONNX Runtime takes them: with its own name of the provider before each key.
    pub(crate) fn options(&self) -> Vec<(String, String)> {
        let own =
            |(key, value): &(String, String)| (format!("{}.{key}", self.full_name), value.clone());
        self.config.options.iter().map(own).collect()
    }

    pub(crate) fn no_device(&self, environment: &Environment) -> ProviderError {
        let kind = |kind: Option<DeviceKind>| kind.map_or("another".to_owned(), |k| k.to_string());
        let offered: Vec<String> =
            self.devices(environment).map(|(found, _)| kind(found)).collect();
        let wanted = self.config.device.map_or("a".to_owned(), |device| device.to_string());
        let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
        ProviderError::NoDevice { wanted, offered }
    }

    fn devices<'e>(
        &self,
        environment: &'e Environment,
    ) -> impl Iterator<Item = (Option<DeviceKind>, Device<'e>)> {
        let own = |device: &Device<'_>| device.ep().is_ok_and(|name| name == self.full_name);
        environment.devices().filter(own).map(|device| (DeviceKind::of(&device), device))
    }
}

/// Whether a library was ever registered in this process.
pub(crate) fn is_any_registered() -> bool {
    !REGISTERED.lock().is_empty()
}

/// The device of the provider that is always there.
pub(crate) fn cpu_devices(environment: &Environment) -> impl Iterator<Item = Device<'_>> {
    environment.devices().filter(|device| device.ep().is_ok_and(|name| name == BUILT_IN))
}

/// Load the library; gives ONNX Runtime's name of the provider, if it offers any device.
fn load(
    environment: &Environment,
    name: &str,
    library: &std::path::Path,
) -> Result<Option<String>, ProviderError> {
    let there: Vec<_> = environment.devices().map(|device| device.ptr()).collect();
    environment
        .register_ep_library(name, library)
        .map_err(|source| ProviderError::Library { path: library.to_owned(), source })?;
    let mut new = environment.devices().filter(|device| !there.contains(&device.ptr()));
    let full_name = new.next().and_then(|device| device.ep().ok());
    match full_name {
        Some(long) if long.len() > LONGEST_NAME => {
            Err(ProviderError::Name { found: long.to_owned() })
        }
        other => Ok(other.map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_path_make_a_provider() {
        let provider: ProviderConfig = "openvino=/opt/a=b.so".parse().unwrap();
        assert_eq!(provider.name, "openvino");
        assert_eq!(provider.library, PathBuf::from("/opt/a=b.so"));
        let long = format!("{}=x.so", "n".repeat(33));
        for wrong in ["openvino", "=x.so", "openvino=", "cpu=x.so", "Open=x.so", "a b=x.so", &long]
        {
            let refused = wrong.parse::<ProviderConfig>().unwrap_err().to_string();
            assert!(refused.starts_with("expected NAME=PATH"), "{wrong}: {refused}");
        }
    }

    #[test]
    fn devices_have_the_names_that_vendors_use() {
        for (text, kind) in
            [("CPU", DeviceKind::Cpu), ("gpu", DeviceKind::Gpu), ("Npu", DeviceKind::Npu)]
        {
            assert_eq!(text.parse(), Ok(kind));
        }
        assert!("TPU".parse::<DeviceKind>().is_err());
    }
}
