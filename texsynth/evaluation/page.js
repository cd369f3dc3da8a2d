"use strict";
(() => {
  const pairs = [...document.querySelectorAll("article")].map((article) => ({
    real: article.querySelector(".exemplar"),
    made: article.querySelector(".texture"),
  }));
  const choices = [...document.querySelectorAll(".choice")];
  const answer = document.getElementById("answer");
  const score = document.getElementById("score");
  const next = document.getElementById("next");
  const sides = ["left", "right"];
  let realSide = 0, answered = false, correct = 0, asked = 0;

  const below = (count) => Math.floor(Math.random() * count);

  // Smaller than either picture, so that there are different crops to show.
  const sideOf = ({ real, made }) =>
    Math.max(8, Math.floor(0.5 * Math.min(
      real.naturalWidth, real.naturalHeight, made.naturalWidth, made.naturalHeight)));

  function draw(canvas, image, side) {
    canvas.width = canvas.height = side;
    const x = below(image.naturalWidth - side + 1), y = below(image.naturalHeight - side + 1);
    canvas.getContext("2d").drawImage(image, x, y, side, side, 0, 0, side, side);
  }

  function ask() {
    const pair = pairs[below(pairs.length)];
    const side = sideOf(pair);
    realSide = below(2);
    answered = false;
    choices.forEach((choice, number) => {
      draw(choice.querySelector("canvas"), number === realSide ? pair.real : pair.made, side);
      choice.classList.remove("real", "made", "chosen");
      choice.removeAttribute("aria-disabled");
      choice.querySelector(".verdict").textContent = "";
    });
    answer.textContent = "";
    next.hidden = true;
  }

  function choose(chosen) {
    if (answered) return;
    answered = true;
    asked += 1;
    const isCorrect = chosen === realSide;
    if (isCorrect) correct += 1;
    choices.forEach((choice, number) => {
      choice.classList.add(number === realSide ? "real" : "made");
      if (number === chosen) choice.classList.add("chosen");
      choice.setAttribute("aria-disabled", "true");
      choice.querySelector(".verdict").textContent = number === realSide ? "real" : "synthesised";
    });
    answer.textContent = `${isCorrect ? "Yes" : "No"}, the ${sides[realSide]} one is real.`;
    score.textContent = `${correct} of ${asked} correct`;
    next.hidden = false;
  }

  choices.forEach((choice, number) => choice.addEventListener("click", () => choose(number)));
  next.addEventListener("click", () => {
    ask();
    choices[0].focus();
  });
  Promise.all(pairs.flatMap(({ real, made }) => [real.decode(), made.decode()])).then(() => {
    document.getElementById("game").hidden = false;
    ask();
  });
})();
