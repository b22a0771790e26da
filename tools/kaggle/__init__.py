"""The course on Kaggle and Colab: packaged, checked, published."""
