//! Says for which platform the program is built; the commit is given by who builds a release.

fn main() {
    let target = std::env::var("TARGET").unwrap_or_else(|_| "unknown".to_owned());
    println!("cargo:rustc-env=SEGUE_TARGET={target}");
    println!("cargo:rerun-if-env-changed=SEGUE_COMMIT");
    println!("cargo:rerun-if-changed=build.rs");
}
