//! Certificates, made with openssl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// An authority that issues certificates.
pub struct Authority {
    dir: TempDir,
}

/// A certificate and its key, as files in PEM.
pub struct Certificate {
    pub file: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        // The system's would add extensions of its own.
        fs::write(dir.path().join("conf"), "[req]\ndistinguished_name = dn\n[dn]\n").expect("a file");
        let authority = Self { dir };
        let extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"];
        authority.make("authority", &extensions, false);
        authority
    }

    /// Returns the authority's certificate file, for clients that trust it.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("authority.pem")
    }

    pub fn pem(&self) -> Vec<u8> {
        fs::read(self.file()).expect("it is made")
    }

    /// Issues a certificate for a server with these names, as in `IP:127.0.0.1,DNS:localhost`.
    pub fn issue(&self, names: &str) -> Certificate {
        let extensions = ["basicConstraints=critical,CA:FALSE", &format!("subjectAltName={names}")];
        self.make("server", &extensions, true)
    }

    fn make(&self, name: &str, extensions: &[&str], is_issued: bool) -> Certificate {
        let path = |name: &str| self.dir.path().join(name);
        let made = Certificate {
            file: path(&format!("{name}.pem")),
            key: path(&format!("{name}.key")),
        };
        let mut command = Command::new("openssl");
        command
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-noenc",
            ])
            .args(["-days", "2", "-subj"])
            .arg(format!("/CN={name}"))
            .args([Path::new("-config"), &path("conf"), Path::new("-out"), &made.file])
            .args([Path::new("-keyout"), &made.key]);
        if is_issued {
            command.args([
                Path::new("-CA"),
                &path("authority.pem"),
                Path::new("-CAkey"),
                &path("authority.key"),
            ]);
        }
        for extension in extensions {
            command.args(["-addext", extension]);
        }
        let output = command.output().expect("openssl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        made
    }
}
