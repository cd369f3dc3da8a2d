"""The fast engine for a GPU: Winograd's convolutions by kernels and cuBLAS, captured as a graph."""
