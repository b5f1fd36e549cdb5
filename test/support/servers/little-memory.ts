// Loaded into a server before its own code: it runs in a container that may have 128 MiB.
process.constrainedMemory = () => 128 * 1024 * 1024;
