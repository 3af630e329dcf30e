"""A simulation of Glimpse on AWS Lambda, from 1 to 10,000 pictures a second."""
