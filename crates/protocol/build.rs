//! Compiles the controller's gRPC interface, without a `protoc` on the machine.

#[cfg(feature = "controller")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["controller.proto"], ["proto"])?;
    // Calls that a server does not implement are UNIMPLEMENTED.
    tonic_prost_build::configure().generate_default_stubs(true).compile_fds(descriptors)?;
    Ok(())
}

#[cfg(not(feature = "controller"))]
fn main() {}
