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

/// ONNX Runtime's name of `OpenVINO`.
const OPENVINO: &str = "OpenVINOExecutionProvider";

/// The option of `OpenVINO` that holds those of its devices.
const LOAD_CONFIG: &str = "load_config";

/// `OpenVINO` computes a network of float32 numbers in bfloat16 where a processor can. That changes labels
/// which are not close: of 480 for crops of photographs, five by more than [`crate::CLOSE_BY_PROVIDER`], with
/// the float network of `models/imagenet-lite`. In float32 none change. Networks in int8 are computed the
/// same by both.
const IN_FLOAT32: &str = r#"{"CPU":{"INFERENCE_PRECISION_HINT":"f32"}}"#;

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

    /// Those for a device, as ONNX Runtime takes them: with its own name of the provider before each key.
    pub(crate) fn options(&self, device: &Device<'_>) -> Vec<(String, String)> {
        self.options_for(DeviceKind::of(device))
    }

    fn options_for(&self, kind: Option<DeviceKind>) -> Vec<(String, String)> {
        let given = self.config.options.iter();
        let mut options: Vec<_> =
            given.map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let is_openvino = self.full_name == OPENVINO && kind == Some(DeviceKind::Cpu);
        if is_openvino && options.iter().all(|(key, _)| *key != LOAD_CONFIG) {
            options.push((LOAD_CONFIG, IN_FLOAT32));
        }
        let own = |(key, value): (&str, &str)| (format!("{}.{key}", self.full_name), value.into());
        options.into_iter().map(own).collect()
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

    #[test]
    fn openvino_computes_in_float32_unless_its_configuration_is_given() {
        let given = |full_name: &str, options: &[(&str, &str)], kind| {
            let options = options.iter().map(|(key, value)| ((*key).into(), (*value).into()));
            let config = "some=/some.so".parse::<ProviderConfig>().unwrap();
            let config = ProviderConfig { options: options.collect(), ..config };
            Provider { config, full_name: full_name.into() }.options_for(kind)
        };
        let named = |key: &str, value: &str| (format!("{OPENVINO}.{key}"), value.to_owned());
        let cpu = Some(DeviceKind::Cpu);
        let precise = named(LOAD_CONFIG, IN_FLOAT32);
        assert_eq!(given(OPENVINO, &[], cpu), std::slice::from_ref(&precise));
        assert_eq!(given(OPENVINO, &[("a", "b")], cpu), [named("a", "b"), precise]);
        assert_eq!(given(OPENVINO, &[(LOAD_CONFIG, "{}")], cpu), [named(LOAD_CONFIG, "{}")]);
        assert_eq!(given(OPENVINO, &[], Some(DeviceKind::Gpu)), []);
        assert_eq!(given("OtherExecutionProvider", &[], cpu), []);
    }
}
