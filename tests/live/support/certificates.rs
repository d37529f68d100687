//! Certificates for TLS, as PEM files.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// Signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) der: Vec<u8>,
}

impl Authority {
    pub(crate) fn make(name: &str) -> Self {
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate of this name, valid for this machine.
    pub(crate) fn issue(&self, name: &str) -> Issued {
        self.issue_for(name, &["localhost", "127.0.0.1"])
    }

    /// A certificate of this name, valid for these hosts.
    pub(crate) fn issue_for(&self, name: &str, hosts: &[&str]) -> Issued {
        let key = KeyPair::generate().expect("a key");
        let certificate = named(name, hosts).signed_by(&key, &self.0).expect("a certificate");
        Issued { certificate: certificate.pem(), key: key.serialize_pem(), der: certificate.der().to_vec() }
    }
}

impl Issued {
    /// Writes `NAME.crt` and `NAME.key` and returns their paths.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> [String; 2] {
        [("crt", &self.certificate), ("key", &self.key)].map(|(ending, text)| {
            let file = folder.join(format!("{name}.{ending}"));
            write(&file, text);
            file.to_str().expect("ASCII").to_owned()
        })
    }
}

pub(crate) fn write(file: &Path, text: &str) {
    std::fs::write(file, text).expect("a file");
}

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(hosts).expect("names of hosts");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
