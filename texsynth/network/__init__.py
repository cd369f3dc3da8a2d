"""The network: its layers as a table, the engines that evaluate it, the device it runs on."""
