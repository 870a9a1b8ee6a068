"""fmbench: are these reported Fashion-MNIST accuracies true?"""
