//! Compiles the controller's gRPC interface, without a `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["controller.proto"], ["proto"])?;
    // Calls that a server does not answer are UNIMPLEMENTED.
    tonic_prost_build::configure().generate_default_stubs(true).compile_fds(descriptors)?;
    Ok(())
}
