"""Fits a classifier on two thousand letters to a shop, which it makes up."""
import random

import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

SUBJECTS = {
    "delivery": ["the parcel", "my order", "the courier", "the tracking number", "the shipment"],
    "payment": ["the invoice", "my credit card", "the refund", "the discount", "the second charge"],
    "product": ["the zip", "the battery", "the left shoe", "the screen", "the handle"],
    "account": ["my password", "the login page", "my address", "the newsletter", "my user name"],
}
TROUBLES = {
    "delivery": ["never arrived", "was left in the rain", "is a week late", "went to the wrong street"],
    "payment": ["was booked twice", "was refused", "has the wrong amount", "is still missing"],
    "product": ["broke on the first day", "does not close", "is scratched", "smells of glue"],
    "account": ["is no longer accepted", "cannot be changed", "shows an error", "was forgotten"],
}
OPENINGS = ["hello,", "dear all,", "good morning,", "sorry to write again:", ""]
ENDINGS = ["please help", "what can be done?", "I am waiting for an answer", "this is the third time", ""]

draw = random.Random(1).choice
letters, topics = [], []
for topic in SUBJECTS:
    for _ in range(500):
        letters.append(" ".join([draw(OPENINGS), draw(SUBJECTS[topic]), draw(TROUBLES[topic]), draw(ENDINGS)]))
        topics.append(topic)

model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=1000))
model.fit(letters, topics)
joblib.dump(model, "text.joblib")
