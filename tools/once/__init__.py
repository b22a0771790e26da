"""What was made once, and how: photos, pictures, weights, others' scripts."""
