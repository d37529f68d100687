//! A certificate for this machine, in the forms that the programs of the tests take.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::support::certificates::{Authority, write};
use crate::support::process::run;

/// Of both Java stores: the ZooKeeper inside a standalone Pravega insists on it.
const STORE_PASSWORD: &str = "1111_aaaa";

/// Files of a certificate for this machine, and of the authority that issued it.
#[derive(Debug)]
pub(crate) struct Certificates {
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Java's stores of them, and the file with the first one's password.
#[derive(Debug)]
pub(crate) struct JavaStores {
    pub(crate) keys: PathBuf,
    pub(crate) password: PathBuf,
    pub(crate) trusted: PathBuf,
}

impl Certificates {
    /// Makes them in a folder.
    pub(crate) fn make(folder: &Path) -> Self {
        // Java believes that a certificate is self-signed where issuer and subject have one name.
        let authority = Authority::make("the authority of the tests");
        let issued = authority.issue("server");
        let this = Self {
            authority: folder.join("authority.pem"),
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        };
        write(&this.authority, &authority.pem());
        write(&this.certificate, &issued.certificate);
        write(&this.key, &issued.key);
        this
    }

    /// The authority's file, as an argument.
    pub(crate) fn authority(&self) -> &str {
        text(&self.authority)
    }

    /// The authority as PEM.
    pub(crate) fn authority_pem(&self) -> Vec<u8> {
        std::fs::read(&self.authority).expect("a file of ours")
    }

    /// Makes Java's stores beside them. Needs openssl and a JDK.
    pub(crate) async fn java_stores(&self) -> JavaStores {
        let beside = |name| self.key.with_file_name(name);
        let [keys, trusted, bundle] = ["keys.jks", "trusted.jks", "keys.p12"].map(beside);
        let password = beside("password");
        std::fs::write(&password, STORE_PASSWORD).expect("a file of ours");
        self.bundle(&bundle).await;
        let source = ["-srckeystore", text(&bundle), "-srcstoretype", "PKCS12", "-srcstorepass", STORE_PASSWORD];
        let target = ["-destkeystore", text(&keys), "-deststoretype", "JKS", "-deststorepass", STORE_PASSWORD];
        keytool(&[&["-importkeystore"], &source[..], &target].concat()).await;
        let authority = ["-importcert", "-alias", "authority", "-file", self.authority()];
        let target = ["-keystore", text(&trusted), "-storetype", "JKS", "-storepass", STORE_PASSWORD];
        keytool(&[&authority[..], &target].concat()).await;
        JavaStores { keys, password, trusted }
    }

    async fn bundle(&self, bundle: &Path) {
        let mut openssl = Command::new("openssl");
        openssl.args(["pkcs12", "-export", "-name", "server", "-passout", &format!("pass:{STORE_PASSWORD}")]);
        openssl.arg("-in").arg(&self.certificate).arg("-inkey").arg(&self.key);
        openssl.arg("-certfile").arg(&self.authority).arg("-out").arg(bundle);
        run(&mut openssl, "").await.success();
    }
}

async fn keytool(arguments: &[&str]) {
    run(Command::new("keytool").arg("-noprompt").args(arguments), "").await.success();
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ASCII")
}
