"""The network: VGG16, its heads, and the classifier that is made of them."""
